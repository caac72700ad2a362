// Command nattui is the NAT cockpit of a Linux gateway.
package main

import (
	"context"
	"fmt"
	"os"

	"nattui/model/lab"
)

func main() {
	lab.Main()
	if len(os.Args) < 2 || os.Args[1] != "lab" {
		fmt.Fprintln(os.Stderr, "usage: nattui lab [COMMAND...]")
		os.Exit(2)
	}
	status, err := lab.Run(context.Background(), lab.Options{
		Argv: os.Args[2:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "nattui lab:", err)
		os.Exit(1)
	}
	os.Exit(status)
}
