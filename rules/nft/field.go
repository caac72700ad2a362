package nft

// field is a part of a header by its name: "tcp dport". Offset and bits are in bits from the header's beginning.
type field struct {
	name         string
	offset, bits uint32
	typ          *dataType
}

// fields are those of the headers that rules look at (nftables, src/proto.c).
var fields = map[string][]field{
	"ether": {{"daddr", 0, 48, etherAddr}, {"saddr", 48, 48, etherAddr}, {"type", 96, 16, etherType}},
	"vlan":  {{"pcp", 112, 3, integerType}, {"dei", 115, 1, integerType}, {"id", 116, 12, integerType}, {"type", 128, 16, etherType}},
	"ip": {
		{"version", 0, 4, integerType},
		{"hdrlength", 4, 4, integerType},
		{"dscp", 8, 6, dscpType},
		{"ecn", 14, 2, ecnType},
		{"length", 16, 16, integerType},
		{"id", 32, 16, integerType},
		{"frag-off", 48, 16, integerType},
		{"ttl", 64, 8, integerType},
		{"protocol", 72, 8, inetProto},
		{"checksum", 80, 16, integerType},
		{"saddr", 96, 32, ipv4Addr},
		{"daddr", 128, 32, ipv4Addr},
	},
	"ip6": {
		{"version", 0, 4, integerType},
		{"dscp", 4, 6, dscpType},
		{"ecn", 10, 2, ecnType},
		{"flowlabel", 12, 20, integerType},
		{"length", 32, 16, integerType},
		{"nexthdr", 48, 8, inetProto},
		{"hoplimit", 56, 8, integerType},
		{"saddr", 64, 128, ipv6Addr},
		{"daddr", 192, 128, ipv6Addr},
	},
	"arp": {
		{"htype", 0, 16, integerType},
		{"ptype", 16, 16, etherType},
		{"hlen", 32, 8, integerType},
		{"plen", 40, 8, integerType},
		{"operation", 48, 16, arpOp},
		{"saddr ether", 64, 48, etherAddr},
		{"saddr ip", 112, 32, ipv4Addr},
		{"daddr ether", 144, 48, etherAddr},
		{"daddr ip", 192, 32, ipv4Addr},
	},
	"tcp": {
		{"sport", 0, 16, inetService},
		{"dport", 16, 16, inetService},
		{"sequence", 32, 32, integerType},
		{"ackseq", 64, 32, integerType},
		{"doff", 96, 4, integerType},
		{"flags", 104, 8, tcpFlag},
		{"window", 112, 16, integerType},
		{"checksum", 128, 16, integerType},
		{"urgptr", 144, 16, integerType},
	},
	"udp":     {{"sport", 0, 16, inetService}, {"dport", 16, 16, inetService}, {"length", 32, 16, integerType}, {"checksum", 48, 16, integerType}},
	"udplite": {{"sport", 0, 16, inetService}, {"dport", 16, 16, inetService}, {"csumcov", 32, 16, integerType}, {"checksum", 48, 16, integerType}},
	"sctp":    {{"sport", 0, 16, inetService}, {"dport", 16, 16, inetService}, {"vtag", 32, 32, integerType}, {"checksum", 64, 32, integerType}},
	"dccp":    {{"sport", 0, 16, inetService}, {"dport", 16, 16, inetService}},
	"th":      {{"sport", 0, 16, inetService}, {"dport", 16, 16, inetService}},
	"icmp": {
		{"type", 0, 8, icmpType}, {"code", 8, 8, icmpCode}, {"checksum", 16, 16, integerType}, {"id", 32, 16, integerType}, {"sequence", 48, 16, integerType},
	},
	"icmpv6": {
		{"type", 0, 8, icmpv6Type}, {"code", 8, 8, icmpv6Code}, {"checksum", 16, 16, integerType}, {"id", 32, 16, integerType}, {"sequence", 48, 16, integerType},
	},
	"igmp": {{"type", 0, 8, igmpType}, {"mrt", 8, 8, integerType}, {"checksum", 16, 16, integerType}, {"group", 32, 32, ipv4Addr}},
	"esp":  {{"spi", 0, 32, integerType}, {"sequence", 32, 32, integerType}},
	"ah":   {{"nexthdr", 0, 8, inetProto}, {"hdrlength", 8, 8, integerType}, {"spi", 32, 32, integerType}, {"sequence", 64, 32, integerType}},
	"comp": {{"nexthdr", 0, 8, inetProto}, {"flags", 8, 8, hexType}, {"cpi", 16, 16, integerType}},
}

// transports are the headers that follow by protocol number.
var transports = map[byte]string{1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 33: "dccp", 50: "esp", 51: "ah", 58: "icmpv6", 108: "comp", 132: "sctp", 136: "udplite"}

// metaTerms are how nft writes what the kernel knows of a packet, and the type of it, where that is not "meta KEY" and a
// number of this machine.
var metaTerms = map[string]term{
	"len": {text: "meta length", typ: hostInteger}, "protocol": {text: "meta protocol", typ: etherType}, "priority": {text: "meta priority", typ: classType},
	"mark": {text: "meta mark", typ: markType}, "iif": {text: "iif", typ: ifindexType}, "oif": {text: "oif", typ: ifindexType},
	"iifname": {text: "iifname", typ: ifnameType}, "oifname": {text: "oifname", typ: ifnameType}, "iiftype": {text: "meta iiftype", typ: arpHardware},
	"oiftype": {text: "meta oiftype", typ: arpHardware}, "skuid": {text: "meta skuid", typ: userType}, "skgid": {text: "meta skgid", typ: groupType},
	"nftrace": {text: "meta nftrace", typ: integerType}, "rtclassid": {text: "meta rtclassid", typ: realmType}, "nfproto": {text: "meta nfproto", typ: familyType},
	"l4proto": {text: "meta l4proto", typ: inetProto}, "bri_iifname": {text: "meta ibrname", typ: ifnameType}, "bri_oifname": {text: "meta obrname", typ: ifnameType},
	"pkttype": {text: "meta pkttype", typ: packetType}, "iifgroup": {text: "iifgroup", typ: deviceGroup}, "oifgroup": {text: "oifgroup", typ: deviceGroup},
	"prandom": {text: "meta random", typ: hostInteger}, "secpath": {text: "meta ipsec", typ: booleanType}, "iifkind": {text: "meta iifkind", typ: ifnameType},
	"oifkind": {text: "meta oifkind", typ: ifnameType}, "bri_iifpvid": {text: "meta ibrpvid", typ: hostInteger}, "bri_iifvproto": {text: "meta ibrvproto", typ: etherType},
	"time": {text: "meta time", typ: timeType}, "day": {text: "meta day", typ: dayType}, "hour": {text: "meta hour", typ: hourType}, "sdif": {text: "meta sdif", typ: ifindexType},
	"sdifname": {text: "meta sdifname", typ: ifnameType},
}

// ctTerms are the same for what connection tracking knows.
var ctTerms = map[string]term{
	"state": {text: "state", typ: ctState}, "direction": {text: "direction", typ: ctDirection}, "status": {text: "status", typ: ctStatus}, "mark": {text: "mark", typ: markType},
	"expiration": {text: "expiration", typ: durationType}, "helper": {text: "helper", typ: textType}, "l3protocol": {text: "l3proto", typ: familyType},
	"protocol": {text: "protocol", typ: inetProto}, "proto_src": {text: "proto-src", typ: inetService}, "proto_dst": {text: "proto-dst", typ: inetService},
	"label": {text: "label", typ: ctLabel}, "zone": {text: "zone", typ: hostInteger}, "event": {text: "event", typ: ctEvent}, "src_ip": {text: "ip saddr", typ: ipv4Addr},
	"dst_ip": {text: "ip daddr", typ: ipv4Addr}, "src_ip6": {text: "ip6 saddr", typ: ipv6Addr}, "dst_ip6": {text: "ip6 daddr", typ: ipv6Addr},
}
