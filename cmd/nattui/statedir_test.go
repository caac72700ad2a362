package main

import (
	"os"
	"testing"
	"time"

	"nattui/rules/commit"
)

// keepState has changes of a test written down in a directory of its own, and names it. Who guards a change that waits to be
// confirmed writes there until the namespaces of the test end, so removing it may fail some times.
func keepState(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nattui-state-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 200 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	t.Setenv(commit.StateVariable, dir)
	return dir
}
