package frontend

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
)

// nftFlushes tells, until ctx ends, when tables of nf_tables have gone at once that are not nattui's own alone, as by nft flush
// ruleset, which begins most files that nftables.service loads. Whoever deletes the own table by itself means it. Lost notices
// may have been such ones. It needs CAP_NET_ADMIN.
func nftFlushes(ctx context.Context) (<-chan struct{}, error) {
	l, err := nfnetlink.Listen()
	if err != nil {
		return nil, err
	}
	told := make(chan struct{}, 1)
	tell := func() {
		select {
		case told <- struct{}{}:
		default: // told already, and not looked at yet
		}
	}
	context.AfterFunc(ctx, l.Close)
	go func() {
		defer close(told)
		gone := false
		for {
			datagram, err := l.Receive()
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, unix.ENOBUFS):
				gone = false
				tell()
			case err != nil:
				return
			}
			nfnetlink.Each(datagram, func(m nfnetlink.Message) {
				switch m.Kind {
				case unix.NFT_MSG_DELTABLE:
					gone = gone || m.Attrs.Get(unix.NFTA_TABLE_NAME).Text() != nft.OwnTable
				case unix.NFT_MSG_NEWGEN:
					if gone {
						tell()
					}
					gone = false
				}
			})
		}
	}()
	return told, nil
}
