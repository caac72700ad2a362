package lab

import (
	"os"
	"os/exec"
)

// CompleteVariable is set where everything that tests use was installed before, as in CI: what is missing there fails a
// test that would be skipped elsewhere, so that none is left out without anybody knowing.
const CompleteVariable = "NATTUI_COMPLETE"

// Program is the path of a program that a test needs. Where it is not installed the test ends; see Lacks.
func Program(t TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Lacks(t, err)
	}
	return path
}

// Lacks ends a test for what this machine has not got: skipped, or failed where CompleteVariable says that it has all.
func Lacks(t TB, what any) {
	t.Helper()
	if os.Getenv(CompleteVariable) != "" {
		t.Fatalf("%v, although %s says that everything is installed", what, CompleteVariable)
	}
	t.Skipf("%v", what)
}
