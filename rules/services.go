package rules

import (
	"slices"
	"strings"
)

// Service is a port that people write by name.
type Service struct {
	Name string // in lower case
	Port uint16
	// Proto is the protocol by which the port is asked for first, TCP or UDP; what
	// is served by both counts as UDP where that is the usual one.
	Proto Protocol
	// Registered tells that services(5) of a usual system has the name, so that iptables,
	// which asks getservbyname(3), takes it in place of the number.
	Registered bool
}

// services are the names, by port. The first of a port is the one to show.
var services = []Service{
	{"echo", 7, TCP, true},
	{"discard", 9, TCP, true},
	{"ftp-data", 20, TCP, true},
	{"ftp", 21, TCP, true},
	{"ssh", 22, TCP, true},
	{"telnet", 23, TCP, true},
	{"smtp", 25, TCP, true},
	{"mail", 25, TCP, true},
	{"time", 37, TCP, true},
	{"whois", 43, TCP, true},
	{"domain", 53, UDP, true},
	{"dns", 53, UDP, false},
	{"bootps", 67, UDP, true},
	{"dhcp", 67, UDP, false},
	{"bootpc", 68, UDP, true},
	{"tftp", 69, UDP, true},
	{"gopher", 70, TCP, true},
	{"finger", 79, TCP, true},
	{"http", 80, TCP, true},
	{"www", 80, TCP, true},
	{"web", 80, TCP, false},
	{"kerberos", 88, TCP, true},
	{"pop3", 110, TCP, true},
	{"sunrpc", 111, TCP, true},
	{"auth", 113, TCP, true},
	{"nntp", 119, TCP, true},
	{"ntp", 123, UDP, true},
	{"netbios-ns", 137, UDP, true},
	{"netbios-dgm", 138, UDP, true},
	{"netbios-ssn", 139, TCP, true},
	{"imap", 143, TCP, true},
	{"imap2", 143, TCP, true},
	{"snmp", 161, UDP, true},
	{"snmptrap", 162, UDP, true},
	{"bgp", 179, TCP, true},
	{"irc", 194, TCP, false},
	{"ldap", 389, TCP, true},
	{"https", 443, TCP, true},
	{"microsoft-ds", 445, TCP, true},
	{"smb", 445, TCP, false},
	{"submissions", 465, TCP, true},
	{"smtps", 465, TCP, true},
	{"isakmp", 500, UDP, true},
	{"ike", 500, UDP, false},
	{"syslog", 514, UDP, true},
	{"submission", 587, TCP, true},
	{"ldaps", 636, TCP, true},
	{"rsync", 873, TCP, true},
	{"ftps", 990, TCP, true},
	{"imaps", 993, TCP, true},
	{"pop3s", 995, TCP, true},
	{"socks", 1080, TCP, true},
	{"openvpn", 1194, UDP, true},
	{"ms-sql-s", 1433, TCP, true},
	{"l2f", 1701, UDP, true},
	{"l2tp", 1701, UDP, true},
	{"pptp", 1723, TCP, false},
	{"radius", 1812, UDP, true},
	{"mqtt", 1883, TCP, false},
	{"nfs", 2049, TCP, true},
	{"squid", 3128, TCP, false},
	{"mysql", 3306, TCP, true},
	{"rdp", 3389, TCP, false},
	{"stun", 3478, UDP, false},
	{"svn", 3690, TCP, true},
	{"ipsec-nat-t", 4500, UDP, true},
	{"sip", 5060, UDP, true},
	{"sip-tls", 5061, TCP, true},
	{"sips", 5061, TCP, false},
	{"xmpp-client", 5222, TCP, true},
	{"mdns", 5353, UDP, true},
	{"postgresql", 5432, TCP, true},
	{"postgres", 5432, TCP, true},
	{"vnc", 5900, TCP, false},
	{"redis", 6379, TCP, true},
	{"http-alt", 8080, TCP, true},
	{"https-alt", 8443, TCP, false},
	{"wireguard", 51820, UDP, false},
}

var servicesByName = func() map[string]Service {
	m := make(map[string]Service, len(services))
	for _, s := range services {
		m[s.Name] = s
	}
	return m
}()

// ServiceNamed returns the service of a name, in either case.
func ServiceNamed(name string) (Service, bool) {
	s, ok := servicesByName[strings.ToLower(name)]
	return s, ok
}

// ServiceAt returns the service that is best known for a port.
func ServiceAt(port uint16) (Service, bool) {
	i := slices.IndexFunc(services, func(s Service) bool { return s.Port == port })
	if i < 0 {
		return Service{}, false
	}
	return services[i], true
}

// Services returns all that have a name, by port.
func Services() []Service { return slices.Clone(services) }
