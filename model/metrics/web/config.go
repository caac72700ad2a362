// Package web serves metrics over HTTP with TLS and passwords as a file says it: the web configuration that Prometheus and its
// exporters read (https://prometheus.io/docs/prometheus/latest/configuration/https/; promtool check web-config).
//
// The format is Prometheus', the code is not: github.com/prometheus/exporter-toolkit brings an engine for HTML and handlers that show
// the inside of the program, a client of OAuth, and a dozen modules. What is read here is cert_file, key_file,
// client_auth_type, client_ca_file, min_version and max_version of tls_server_config, http2 and headers of http_server_config, and
// basic_auth_users; anything else is refused by its name.
package web

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
)

// Config is a web configuration. The zero value is HTTP without passwords.
type Config struct {
	TLS   *TLSConfig        `yaml:"tls_server_config"`
	HTTP  HTTPConfig        `yaml:"http_server_config"`
	Users map[string]string `yaml:"basic_auth_users"` // bcrypt's hashes of passwords
}

// TLSConfig is what is said of TLS.
type TLSConfig struct {
	Certificate string `yaml:"cert_file"`
	Key         string `yaml:"key_file"`
	ClientAuth  string `yaml:"client_auth_type"`
	ClientCAs   string `yaml:"client_ca_file"`
	Min         string `yaml:"min_version"`
	Max         string `yaml:"max_version"`
}

// HTTPConfig is what is said of HTTP.
type HTTPConfig struct {
	HTTP2   *bool             `yaml:"http2"`
	Headers map[string]string `yaml:"headers"`
}

// clientAuth are the values of client_auth_type.
var clientAuth = map[string]tls.ClientAuthType{
	"": tls.NoClientCert, "NoClientCert": tls.NoClientCert, "RequestClientCert": tls.RequestClientCert, "RequireAnyClientCert": tls.RequireAnyClientCert,
	"VerifyClientCertIfGiven": tls.VerifyClientCertIfGiven, "RequireAndVerifyClientCert": tls.RequireAndVerifyClientCert,
}

// versions are the values of min_version and max_version.
var versions = map[string]uint16{"TLS13": tls.VersionTLS13, "TLS12": tls.VersionTLS12, "TLS11": tls.VersionTLS11, "TLS10": tls.VersionTLS10}

// Read reads a file, and the files that it names. Relative paths are relative to it. The error says what is wrong with it.
func Read(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var c Config
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil && len(bytes.TrimSpace(text)) > 0 {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for user, hash := range c.Users {
		if _, err := bcrypt.Cost([]byte(hash)); err != nil {
			return nil, fmt.Errorf("%s: the password of %q is to be a hash of bcrypt, as  htpasswd -nB %s  makes it: %w", path, user, user, err)
		}
	}
	if c.TLS == nil {
		return &c, nil
	}
	for _, file := range []*string{&c.TLS.Certificate, &c.TLS.Key, &c.TLS.ClientCAs} {
		if *file != "" && !filepath.IsAbs(*file) {
			*file = filepath.Join(filepath.Dir(path), *file)
		}
	}
	if _, err := c.TLS.load(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &c, nil
}

// load reads the files that are named.
func (c *TLSConfig) load() (*tls.Config, error) {
	if c.Certificate == "" || c.Key == "" {
		return nil, errors.New("tls_server_config needs cert_file and key_file")
	}
	auth, ok := clientAuth[c.ClientAuth]
	if !ok {
		return nil, fmt.Errorf("client_auth_type %q: use NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert", c.ClientAuth)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: auth}
	for _, v := range []struct {
		given string
		into  *uint16
	}{{c.Min, &config.MinVersion}, {c.Max, &config.MaxVersion}} {
		if v.given == "" {
			continue
		}
		if *v.into, ok = versions[v.given]; !ok {
			return nil, fmt.Errorf("TLS version %q: use TLS10, TLS11, TLS12 or TLS13", v.given)
		}
	}
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, err
	}
	config.Certificates = []tls.Certificate{pair}
	if c.ClientCAs == "" {
		if auth > tls.RequireAnyClientCert {
			return nil, fmt.Errorf("client_auth_type %s needs client_ca_file", c.ClientAuth)
		}
		return config, nil
	}
	if auth == tls.NoClientCert {
		return nil, errors.New("client_ca_file needs a client_auth_type that asks for certificates")
	}
	text, err := os.ReadFile(c.ClientCAs)
	if err != nil {
		return nil, err
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate (PEM)", c.ClientCAs)
	}
	return config, nil
}
