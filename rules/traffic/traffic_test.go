package traffic

import (
	"net"
	"os"
	"testing"

	"nattui/model/lab"
)

func TestMain(m *testing.M) {
	lab.Main()
	os.Exit(m.Run())
}

// TestQuiet: a packet on the loopback ends the quiet of a network namespace of one's own, and a look does not.
func TestQuiet(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	var w Watch
	ask := func(want bool, when string) {
		t.Helper()
		if got := w.Quiet(); got != want {
			t.Errorf("%s: quiet %v", when, got)
		}
	}
	conn, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask(false, "the first time")
	ask(true, "nothing has passed")
	_, _ = conn.Write([]byte("x"))
	ask(false, "a packet has passed")
	ask(true, "nothing has passed since")
}
