package rules

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// WrongPort says why what stands behind an address is no port, as in 192.168.0.2:99999 and [2001:db8::2]:x; "" where the address
// is what is wrong, or nothing is. The address may be a range, or none, and so may the port be a range.
func WrongPort(place string) string {
	addr, port, ok := cutPort(place)
	if !ok {
		return ""
	}
	for part := range strings.SplitSeq(port, "-") {
		n, err := strconv.ParseUint(part, 10, 64)
		service, named := ServiceNamed(part)
		switch {
		case part == "":
			return fmt.Sprintf("behind %s a port is missing, a number from 1 to 65535", addr+":"+strings.TrimSuffix(port, part))
		case err != nil && named:
			return fmt.Sprintf("%q is not a port: write its number, %d", part, service.Port)
		case err != nil || n < 1 || n > 65535:
			return fmt.Sprintf("%q is not a port: ports go from 1 to 65535", part)
		}
	}
	return ""
}

// cutPort cuts a place into its address, or range, and what stands behind that as a port.
func cutPort(place string) (addr, port string, ok bool) {
	host := ""
	if inside, rest, bracketed := strings.Cut(strings.TrimPrefix(place, "["), "]:"); bracketed && place != inside {
		addr, host, port = "["+inside+"]", inside, rest
	} else if strings.Count(place, ":") == 1 {
		host, port, _ = strings.Cut(place, ":")
		addr = host
	} else {
		return "", "", false
	}
	if host == "" {
		return addr, port, true
	}
	lo, hi, isRange := strings.Cut(host, "-")
	_, err := netip.ParseAddr(lo)
	if isRange && err == nil {
		_, err = netip.ParseAddr(hi)
	}
	return addr, port, err == nil
}
