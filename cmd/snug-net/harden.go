package main

func harden() error { return nil }
