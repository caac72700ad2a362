package web

import (
	"crypto/sha256"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// Serve answers requests until the server is closed. Certificates are read again for each connection, so that a new one needs
// no restart.
func (c *Config) Serve(l net.Listener, s *http.Server) error {
	handler := s.Handler
	if len(c.Users) > 0 {
		handler = &guarded{users: c.Users, next: handler}
	}
	if len(c.HTTP.Headers) > 0 {
		next := handler
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for name, value := range c.HTTP.Headers {
				w.Header().Set(name, value)
			}
			next.ServeHTTP(w, r)
		})
	}
	s.Handler = handler
	if c.TLS == nil {
		return s.Serve(l)
	}
	config, err := c.TLS.load()
	if err != nil {
		return err
	}
	config.NextProtos = []string{"h2", "http/1.1"}
	if c.HTTP.HTTP2 != nil && !*c.HTTP.HTTP2 {
		config.NextProtos = []string{"http/1.1"}
		s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		again, err := c.TLS.load()
		if err == nil {
			again.NextProtos = config.NextProtos
		}
		return again, err
	}
	s.TLSConfig = config
	return s.ServeTLS(l, "", "")
}

// guarded asks for a password.
type guarded struct {
	users map[string]string
	next  http.Handler

	mu sync.Mutex
	// known are passwords that were right: bcrypt takes a tenth of a second, and a scrape comes every few of them. Wrong ones
	// are tried each time, one after the other.
	known map[[sha256.Size]byte]bool
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, given := r.BasicAuth()
	if !given || !g.right(user, password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="nattui", charset="UTF-8"`)
		http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
		return
	}
	g.next.ServeHTTP(w, r)
}

func (g *guarded) right(user, password string) bool {
	hash, exists := g.users[user]
	if !exists {
		hash = slices.Collect(maps.Values(g.users))[0] // as long as with a user that there is
	}
	mark := sha256.Sum256([]byte(user + "\x00" + hash + "\x00" + password))
	g.mu.Lock()
	defer g.mu.Unlock()
	if exists && g.known[mark] {
		return true
	}
	if right := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil; !right || !exists {
		return false
	}
	if g.known == nil || len(g.known) > len(g.users) {
		g.known = map[[sha256.Size]byte]bool{}
	}
	g.known[mark] = true
	return true
}
