// Package traced holds packets on their way through the tables, as the kernel's trace reports them, as values: the
// filter that says which packets to trace, the joining of the kernel's lines into one packet's path, and its description in words,
// compared with what the evaluator predicts. Package trace is the adapter that listens.
//
// The package is pure.
package traced
