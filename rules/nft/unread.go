package nft

import "encoding/binary"

// Unread is the name of an Unknown that stands for what of a rule's text could not be read, or for all of it: it may ask for
// anything and do anything.
const Unread = "unread"

// Extension is a match or target of iptables of which nothing but its name is known, as the kernel has them with all that they
// hold (NFTA_MATCH_NAME, NFTA_TARGET_NAME).
func Extension(kind, name string) Unknown {
	const header, nameAttribute = 4, 1 // struct nlattr
	raw := binary.NativeEndian.AppendUint16(nil, uint16(header+len(name)+1))
	raw = binary.NativeEndian.AppendUint16(raw, nameAttribute)
	raw = append(append(raw, name...), 0)
	return Unknown{Name: kind, Raw: raw}
}

// HasUnknown tells that something of the rule is not understood.
func (r *Rule) HasUnknown() bool {
	for _, e := range r.Exprs {
		if u, ok := e.(Unknown); ok && u.Name != "last" { // which only notes when it was asked
			return true
		}
	}
	return false
}
