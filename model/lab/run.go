package lab

// Main must be called first in main.
func Main() {}
