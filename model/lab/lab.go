// Package lab is a model gateway on the real kernel: a client, a gateway and
// two servers, each in a network namespace of its own, joined by veth pairs,
// with real NAT rules and real traffic.
//
// Everything lives in user, mount, network and PID namespaces that the lab
// makes for itself, so it needs no root where user namespaces are allowed,
// touches nothing of the host and is gone when its process is gone.
//
// Three doors lead in. [Isolate] runs a test alone in fresh namespaces, [New]
// builds the network around the calling process (which therefore should be
// isolated already), and [Run], with [Main] as its counterpart at the start of
// the program, runs a command on the gateway of a complete lab.
//
// Linux only, 4.9 or newer.
package lab
