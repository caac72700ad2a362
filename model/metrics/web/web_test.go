package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"nattui/model/lab"
)

// keyPair writes a certificate of 127.0.0.1 and its key into a directory.
func keyPair(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(certificate)
	return pool
}

func hashOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// TestConfigurations reads files, and has promtool say the same of each.
func TestConfigurations(t *testing.T) {
	promtool, missing := exec.LookPath("promtool")
	dir := t.TempDir()
	keyPair(t, dir)
	for text, good := range map[string]bool{
		"": true,
		"tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n":                                                                                             true,
		"tls_server_config: {cert_file: cert.pem, key_file: key.pem, min_version: TLS13, client_auth_type: RequireAndVerifyClientCert, client_ca_file: cert.pem}\n": true,
		"basic_auth_users:\n  prometheus: " + hashOf(t, "x") + "\nhttp_server_config: {http2: false, headers: {X-Frame-Options: deny}}\n":                           true,
		"tls_server_config: {cert_file: cert.pem}\n":                                                                                                                false,
		"tls_server_config: {cert_file: none.pem, key_file: key.pem}\n":                                                                                             false,
		"tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: Sometimes}\n":                                                                false,
		"tls_server_config: {cert_file: cert.pem, key_file: key.pem, min_version: SSL3}\n":                                                                          false,
		"tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: cert.pem}\n":                                                                   false,
		"tls_server_config: {cert_file: cert.pem, key_file: key.pem, secret: 1}\n":                                                                                  false,
		"basic_auth_users: {prometheus: plain}\n":                                                                                                                   false,
		"users: {}\n": false,
	} {
		path := filepath.Join(dir, "web.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
		if missing != nil || strings.Contains(text, "plain") {
			continue // which looks at passwords when they come
		}
		if out, err := exec.Command(promtool, "check", "web-config", path).CombinedOutput(); (err == nil) != good {
			t.Errorf("promtool says of %q: %v\n%s", text, err, out)
		}
	}
	if missing != nil {
		lab.Lacks(t, missing)
	}
}

// TestServe serves by TLS to those who know a password, and to nobody else; a certificate that is replaced is used at once.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	pool := keyPair(t, dir)
	path := filepath.Join(dir, "web.yml")
	text := "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {a: " + hashOf(t, "right") + "}\nhttp_server_config: {headers: {X-Frame-Options: deny}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })}
	ended := make(chan error, 1)
	go func() { ended <- config.Serve(listener, server) }()
	ask := func(pool *x509.CertPool, user, password string) (int, error) {
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
		defer client.CloseIdleConnections()
		request, err := http.NewRequest(http.MethodGet, "https://"+listener.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			request.SetBasicAuth(user, password)
		}
		response, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		if response.StatusCode == http.StatusOK && response.Header.Get("X-Frame-Options") != "deny" {
			t.Error("a header is missing")
		}
		return response.StatusCode, nil
	}
	for _, test := range []struct {
		user, password string
		want           int
	}{{"a", "right", 200}, {"a", "wrong", 401}, {"b", "right", 401}, {"", "", 401}, {"a", "right", 200}, {"a", "", 401}} {
		if got, err := ask(pool, test.user, test.password); got != test.want || err != nil {
			t.Errorf("%s with %q: %d, %v; want %d", test.user, test.password, got, err, test.want)
		}
	}
	fresh := keyPair(t, dir)
	if got, err := ask(fresh, "a", "right"); got != 200 || err != nil {
		t.Errorf("with the new certificate: %d, %v", got, err)
	}
	if _, err := ask(pool, "a", "right"); err == nil {
		t.Error("the old certificate is still used")
	}
	server.Close()
	if err := <-ended; err != http.ErrServerClosed {
		t.Error(err)
	}
}
