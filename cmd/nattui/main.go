// Command nattui is the NAT cockpit of a Linux gateway: it shows the rules in the
// order the kernel evaluates them, changes them safely, and shows every
// translation as the kernel makes it.
//
// Standard output is data, standard error is messages. Messages are one line, in
// lower case, without a full stop, and say what to do where something can be
// done.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"nattui/model/lab"
	"nattui/rules/nfnetlink"
)

// version is set when a release is built: -ldflags '-X main.version=…'.
var version = "dev"

func main() {
	distrust()
	nfnetlink.Attend()
	lab.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}
