N=/tmp/w/nattui-l
r(){ echo; echo "\$ $*"; "$@" 2>&1 | head -${H:-8}; echo "rc ${PIPESTATUS[0]}"; }
r $N add dnat --help
r $N add dnat --proto tcp --in wan0 --dest 203.0.113.1 --dport 80 --to 192.168.0.2:8080 --dry-run
r $N add dnat --proto tcp --dest 203.0.113.1 --dport 80 --to 192.168.0.2:8080 --dry-run
r $N explain 'tcp 203.0.113.10:4000 203.0.113.1:80'
r $N explain --help
L=$($N flows | head -1); echo "$L"; r $N explain "$L"
r $N delete PREROUTING 1 --yes
r $N forget --filter 'rule stale' --dry-run
r $N forget --dry-run
r $N lab enter server2 -- sh -c 'echo hi; exit 3'
