package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules/commit"
)

// asGateway is what a user who is not root does with the capabilities alone, ambient and by the file, in a network
// namespace of its own.
const asGateway = `set -e
ip link set lo up
echo "user:x:65534:65534::$HOME:/bin/sh" >"$SETCAP/passwd"
mount --bind "$SETCAP/passwd" /etc/passwd
mkdir "$SETCAP/evil"
for p in iptables iptables-save iptables-nft iptables-nft-save iptables-nft-restore nft modprobe systemctl; do
	printf '#!/bin/sh\necho %s >>"/tmp/$EVIL"\nexit 1\n' $p >"$SETCAP/evil/$p"
done
chmod 755 "$SETCAP/evil" "$SETCAP/evil"/*
user() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
ambient() { user --inh-caps -all,+net_admin,+net_raw --ambient-caps +net_admin,+net_raw --bounding-set -all,+net_admin,+net_raw "$@"; }
iptables-nft -t nat -A PREROUTING -p tcp --dport 99 -j REDIRECT --to-ports 9
echo == rules; ambient nattui rules --family ipv4
echo == add; ambient nattui add redirect --proto tcp --in lo --dport 5 --to 55 --yes --backend nft
iptables-nft -t nat -S PREROUTING | grep -c 'dport 5 '
echo == undo; ambient nattui undo --yes
iptables-nft -t nat -S PREROUTING | grep -c 'dport 5 ' || true
echo == confirm; ambient nattui add redirect --proto tcp --in lo --dport 6 --to 66 --yes --confirm 1h --backend nft
ambient nattui rollback --yes
iptables-nft -t nat -S PREROUTING | grep -c 'dport 6 ' || true
echo == switch; ambient nattui switch ip_forward on --yes --boot=false
cat /proc/sys/net/ipv4/ip_forward
echo == whatif; ambient nattui whatif tcp 127.0.0.1:1000 127.0.0.1:99 --json
echo == state; ls -a "$HOME/.local/state/nattui"
echo == file; user "$SETCAP/nattui" add redirect --proto tcp --in lo --dport 7 --to 77 --yes --backend nft
iptables-nft -t nat -S PREROUTING | grep -c 'dport 7 '
echo == native; nft 'add table inet own; add chain inet own pre { type nat hook prerouting priority -100; }; add rule inet own pre tcp dport 9 counter redirect to :99'
ambient nattui add redirect --proto tcp --in lo --dport 11 --to 111 --yes --backend native
ambient nattui import 'nft add rule inet own pre iifname "lo" tcp dport 12 redirect to :112' --yes
ambient nattui delete pre 1 --table 'inet own' --backend native --yes
ambient nattui undo --yes
nft list ruleset | grep -c 'dport 1[12] .*redirect\|dport 9 .*redirect'
echo == nativefile; user "$SETCAP/nattui" import 'nft add rule inet own pre tcp dport 13 redirect to :113' --yes
nft list table inet own | grep -c 'dport 13 '
echo == apply; printf 'table inet own {\n\tchain pre {\n\t\ttype nat hook prerouting priority -100\n\t\ttcp dport 14 redirect to :114\n\t}\n}\n' >"$HOME/own.nft"
user "$SETCAP/nattui" apply - --yes <"$HOME/own.nft"
printf '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 15 -j REDIRECT --to-ports 115\nCOMMIT\n' | ambient nattui apply - --yes --backend nft
iptables-nft -t nat -S PREROUTING | grep 'dport'
nft list table inet own | grep -c 'dport'
echo == distrust
for c in 'rules' 'delete PREROUTING 1 --yes' 'add redirect --proto tcp --in lo --dport 8 --to 88 --yes --backend nft'; do
	user env PATH="$SETCAP/evil:$PATH" NATTUI_STATE="$HOME/other" XTABLES_LOCKFILE="$HOME/lock" "$SETCAP/nattui" $c || true
done
ls "$HOME/other" "$HOME/lock" || true
echo "led astray:" $(cat "/tmp/$EVIL")
echo == none; user nattui rules || echo status $?
`

// TestCapabilities has a user with CAP_NET_ADMIN and CAP_NET_RAW do what the kernel lets him.
func TestCapabilities(t *testing.T) {
	uids, _ := os.ReadFile("/proc/self/uid_map")
	if os.Geteuid() != 0 || len(strings.Fields(string(uids))) != 3 || strings.Fields(string(uids))[2] != "4294967295" {
		t.Skip("only root of the first user namespace can give another user capabilities")
	}
	for _, program := range []string{"setpriv", "setcap", "unshare", "iptables-nft"} {
		lab.Program(t, program)
	}
	dir, err := os.MkdirTemp("/tmp", "nattui-capabilities") // where another user may come
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	defer os.Remove(dir + ".evil")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "setcap"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nattui", "setcap/nattui"} {
		if err := os.WriteFile(filepath.Join(dir, name), self, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("setcap", "cap_net_admin,cap_net_raw+ep", filepath.Join(dir, "setcap/nattui")).CombinedOutput(); err != nil {
		lab.Lacks(t, fmt.Sprintf("no capabilities of files here: %v: %s", err, out))
	}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	// In a process namespace of its own, as what other users' programs serve may not be seen, and a change waits then.
	gateway := exec.Command("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", asGateway)
	gateway.Dir = "/"
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, commit.StateVariable+"=") && !strings.HasPrefix(v, "XDG_") {
			gateway.Env = append(gateway.Env, v)
		}
	}
	gateway.Env = append(gateway.Env, "HOME="+home, "SETCAP="+filepath.Join(dir, "setcap"), "EVIL="+filepath.Base(dir)+".evil", "PATH="+dir+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
	out, err := gateway.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := string(out)
	unseen := strings.Count(text, "the kernel lists legacy tables to root only")
	part := func(name string) string {
		_, rest, _ := strings.Cut(text, "== "+name+"\n")
		rest, _, _ = strings.Cut(rest, "\n== ")
		return rest + "\n"
	}
	for name, want := range map[string]string{
		"rules": "--dport 99", "add": "is applied\n", "undo": "is applied\n", "confirm": "is rolled back", "switch": "\n1\n",
		"whatif": `"delivered":"local"`, "state": "journal\n", "file": "\n1\n", "native": "is applied\n", "nativefile": "\n1\n", "none": "status 4\n",
	} {
		if !strings.Contains(part(name), want) {
			t.Errorf("%s lacks %q", name, want)
		}
	}
	if astray, rest, _ := strings.Cut(part("distrust"), "led astray:"); strings.TrimSpace(rest) != "" || strings.Contains(astray, "journal") {
		t.Errorf("the caller's environment is heeded: %s%s", astray, rest)
	}
	for name, want := range map[string]string{"add": "\n1\n", "undo": "\n0\n", "confirm": "\n0\n", "native": "\n3\n", "nativefile": "\n1\n", "apply": "--dport 15 -j REDIRECT --to-ports 115\n1\n"} {
		if !strings.HasSuffix(strings.TrimRight(part(name), "\n")+"\n", want) {
			t.Errorf("%s: the kernel has another number of rules than %q", name, want)
		}
	}
	for _, name := range []string{"rules", "add"} {
		if n := strings.Count(part(name), "root only"); unseen > 0 && n != 1 {
			t.Errorf("%s says %d times what cannot be seen", name, n)
		}
	}
	if unseen > 0 && !strings.Contains(part("whatif"), `"certain":false`) {
		t.Error("whatif is certain beside rules that cannot be seen")
	}
	if t.Failed() {
		t.Log(text)
	}
}
