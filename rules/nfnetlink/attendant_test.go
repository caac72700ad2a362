package nfnetlink

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"

	"nattui/model/lab"
)

// TestAttendant: what an attendant is asked for is done in a network namespace of its own, and is gone with it.
func TestAttendant(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	a, err := newAttendant(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	ctx := context.WithValue(t.Context(), asideKey{}, a)
	before := generationIn(t, ctx)
	if err := AddLinks(ctx, map[uint32]string{7: "far0"}); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	nft := exec.CommandContext(ctx, "nft", "-f", "-")
	nft.Stdin, nft.Stderr = strings.NewReader("add table ip far\nadd chain ip far c { type filter hook input priority 0; }\nadd rule ip far c iif far0 drop\n"), &said
	if err := Run(ctx, nft); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	if after := generationIn(t, ctx); after == before {
		t.Error("the socket is of another network namespace")
	}
	list := exec.CommandContext(ctx, "nft", "list", "ruleset")
	list.Stdout = &out
	if err := Run(ctx, list); err != nil || !strings.Contains(out.String(), `iif "far0" drop`) {
		t.Errorf("%v: %s", err, out.String())
	}
	wrong := exec.CommandContext(ctx, "nft", "list", "table", "ip", "none")
	said.Reset()
	wrong.Stderr = &said
	if err := Run(ctx, wrong); err == nil || err.Error() != "exit status 1" || said.Len() == 0 {
		t.Errorf("%v: %q", err, said.String())
	}
	out.Reset()
	here := exec.CommandContext(t.Context(), "nft", "list", "ruleset")
	here.Stdout = &out
	if err := Run(t.Context(), here); err != nil || strings.Contains(out.String(), "far") {
		t.Errorf("it was done here: %v: %s", err, out.String())
	}
}

func generationIn(t *testing.T, ctx context.Context) uint32 {
	t.Helper()
	s, err := DialIn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id, err := s.Generation()
	if err != nil {
		t.Fatal(err)
	}
	return id
}
