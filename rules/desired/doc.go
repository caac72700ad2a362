// Package desired is what the administrator wants of a gateway, as a file says it: rules in the text of iptables-save, and
// switches of the kernel; and how rules are brought there while those of programs (rules.Owners) stay as they are.
//
// A file is what iptables-save prints, or several of these one after the other. Comments that begin with "# nattui" say more,
// and make nothing else of it for iptables-restore:
//
//	# nattui rules ipv6 nft               the family, and the backend, of what follows
//	# nattui switch net.ipv4.ip_forward 1
//	# nattui snapshot before-upgrade 2026-11-29T04:00:00Z    what the file does not have is not to be there
package desired
