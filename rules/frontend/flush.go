package frontend

import (
	"context"
	"os"
)

// Flushes tells, until ctx ends, when firewalld or ufw may have made rules anew and removed those of others, and when tables of
// nf_tables were flushed. The channel is closed where that can no longer be told.
func Flushes(ctx context.Context) (<-chan struct{}, error) {
	ctx, cancel := context.WithCancel(ctx)
	ufw, err := ufwCommands(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	firewalld, err := firewalldFlushes(ctx)
	if err != nil {
		if _, there := os.Stat(firewalldProgram); there == nil {
			cancel()
			return nil, err
		}
		firewalld = make(chan struct{}) // no bus, and nobody to listen to
	}
	flushed, err := nftFlushes(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	told := make(chan struct{}, 1)
	go func() {
		defer close(told)
		defer cancel()
		for {
			var ok bool
			select {
			case _, ok = <-ufw:
			case _, ok = <-firewalld:
			case _, ok = <-flushed:
			}
			if !ok {
				return
			}
			select {
			case told <- struct{}{}:
			default: // told already, and not looked at yet
			}
		}
	}()
	return told, nil
}
