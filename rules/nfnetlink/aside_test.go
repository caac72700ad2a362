package nfnetlink_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"nattui/model/lab"
	"nattui/rules/nfnetlink"
)

// TestAside: what runs aside is in a namespace that is its own, from whichever thread it is asked for, and the process
// stays where it was.
func TestAside(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	home := namespace(t, "/proc/self/ns/net")
	var all sync.WaitGroup
	for range 64 { // some of them begin on the first thread
		all.Go(func() {
			if err := nfnetlink.Aside(t.Context(), func(context.Context) error {
				here, err := os.Readlink("/proc/thread-self/ns/net")
				if here == home {
					t.Error("it runs where the process is")
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if now := namespace(t, "/proc/self/ns/net"); now != home {
		t.Errorf("the process is in %s, was in %s", now, home)
	}
	if now := namespace(t, "/proc/thread-self/ns/net"); now != home {
		t.Errorf("the test runs in %s, was in %s", now, home)
	}
}

func TestMain(m *testing.M) {
	nfnetlink.Attend()
	lab.Main()
	os.Exit(m.Run())
}

func namespace(t *testing.T, path string) string {
	t.Helper()
	name, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return name
}
