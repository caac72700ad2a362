// Command nattui is the NAT cockpit of a Linux gateway.
package main

import "nattui/model/lab"

func main() {
	lab.Main()
}
