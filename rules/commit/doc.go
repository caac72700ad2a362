// Package commit applies changes so that an operator cannot be locked out. It runs a
// [rules.Plan] so that, whatever is killed at whatever moment, the gateway ends
// in the old state or in the new one, and the journal says which.
//
// # How a change is made
//
// [Committer.Run] takes the lock of the state directory, reads the tables again
// and checks every step, writes the plan and what is needed to roll it back to
// the journal, synced, starts the guard and waits until it is there, makes the
// changes, compares, and notes that they stand. From then on an entry without a
// deadline is settled. One with a deadline is [Pending]: it is rolled back when
// nobody confirms it in time, when the terminal it came from goes away, or when
// somebody says so.
//
// rolling back is done by the inverse of this one change, placed again by what
// stands around it now, never by restoring a table: what other programs did
// in the meantime stays. What no longer fits is left and reported.
//
// # Who rolls back
//
// The guard is a process of its own session (or a transient systemd unit), which
// outlives the SSH session that started it. Where it is killed too,
// [Committer.Recover] does its work: every nattui that changes something calls it when
// it starts, and so do the screens that may; what only looks changes nothing, and says
// what [Store.Unfinished] lists.
// Everything happens under one lock, a flock of a file in the state directory.
// iptables-restore inherits it, so that the lock is free only when really nobody
// is changing anything any more, even if nattui was killed around a running one.
//
// # The journal
//
// One JSON object a line: {"sum":CRC-32C,"len":bytes,"record":{…}}. A record is
// an entry, or a later change of an entry's state. Each has a number and names the
// checksum of the one before it; the file journal.head tells which was the last and
// which file it was in. A line that does not agree with its sum is set aside in a file
// named after the moment. What was open before a damaged record, a gap, or in a
// journal older than its head or put back from elsewhere, is [Unknown]: nothing is
// done about it until somebody names it. Half a line at the end, without a newline,
// was never told to anybody. Records without numbers, as nattui wrote them before,
// are known by their checksum alone, as they were then.
//
// Deadlines are kept on CLOCK_BOOTTIME together with the kernel's boot id: a wall
// clock that jumps changes nothing, and after a reboot they are over.
//
// Everything needs to write the state directory, and what the kernel's adapters
// need. Methods block while another process changes something, at most
// [LockWait], and as long as the adapters do.
package commit
