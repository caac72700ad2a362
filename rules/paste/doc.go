// Package paste reads commands and saved rules that somebody pasted, says of each word
// what is wrong with it and what would be right, and makes a rules.Plan of what is in no doubt.
//
// The way of a text: shell.go takes it apart as a POSIX shell would, without running anything;
// yaml.go and container.go find the commands in files of other programs;
// read.go goes through the words of a command and stray.go through those that belong nowhere; value.go checks single values, whole.go
// what they come to together; carry.go turns the commands into changes, gaps.go the placeholders
// into questions; saved.go reads what iptables-save printed. options.go holds the tables of iptables(8) and
// iptables-extensions(8).
//
// The package is pure. What is known of the host is handed to it as a Ground.
package paste
