package ui

// clauses say what each action does, by its name: for help, the palette, the README and the manual page.
// A key that does something else on another screen says so.
var clauses = map[string]string{
	"rules": "the rules that translate what passes, in the order a packet meets them; key c has the other chains", "flows": "every connection, with what was asked for and who serves it",
	"guide": "what do you want to do? A few questions, then a plan", "doctor": "what is wrong or risky now, and why a forward does not work",
	"trace": "one packet's way through the rules, as the kernel reports it", "history": "every change, undo, and what is saved for reboot",

	"help": "all keys of what is on the screen; f1 where letters are text", "find an action": "by its name, wherever it is; it shows the key, too",
	"search": "finds text in this list or box; n and N go from hit to hit", "next hit": "the next place of what was searched for", "hit before": "the place before",
	"copy":    "the rule, command, connection or fix under the cursor, to the terminal's clipboard (OSC 52)",
	"undo":    "reverses the last change made here; in History the one under the cursor",
	"redo":    "makes the change again that was undone last",
	"confirm": "keeps the change that would otherwise be rolled back", "roll back": "reverses the change that waits to be confirmed",
	"look again": "reads the gateway anew", "redraw": "draws the terminal anew", "back, quit": "leaves what is open, and at last nattui", "close": "leaves what is open; what was typed is kept",

	"up": "one line up", "down": "one line down", "a page up": "a screen up", "a page down": "a screen down", "top": "the first line",
	"bottom": "the last line; after a number of two digits that line, in Rules the rule of that number: 12G", "next pane": "from PREROUTING to POSTROUTING and back",

	"add": "a NAT rule: a form with its command beside it", "edit": "the rule under the cursor, in the same form (in Flows e shows events)",
	"delete": "the rule under the cursor, after a question; u brings it back", "move": "the rule one place up or down; J moves it down",
	"restore": "brings the parked rule back to its place, unparks it", "park": "takes the rule away until the same key brings it back (in Doctor p tests a server)",
	"open":       "the rules of the chain or map under it, in place",
	"open chain": "shows the rules of the chain that is jumped to, in place", "the rule itself": "all about the rule where enter opens a chain or elements, and its connections from there", "details": "all about what is under the cursor",
	"filter": "shows only what matches; up brings earlier filters back", "chains": "all chains of all tables, to look at one",
	"test a packet": "predicts what the kernel does with a packet", "trace it": "traces the packets of what is under the cursor",
	"import": "pasted commands, checked and corrected; pasting on any screen does the same", "IPv4/IPv6": "the rules of the other family",
	"nft/legacy": "the rules of the other backend (in Flows b groups)",
	"switches":   "the kernel's switches for forwarding and NAT (in History w saves, in Flows it has the kernel count)",

	"sort": "by the next column", "reverse": "the order the other way round", "group": "adds up by client, service, rule, translation, port (in Rules b is the backend)",
	"columns and order": "chooses the columns, their order, and what the list is sorted by",
	"sort by it":        "sorts by the column; again the other way round", "show or hide": "the column", "move it": "the column one place up or down the list; J moves it down", "the usual ones": "all columns in their usual order",
	"pause": "the screen stands still, the table goes on", "go on": "shows what is there now", "events": "connections as they begin, change and end",
	"connections": "the table again", "count": "has the kernel count, time and report connections (in History w saves, elsewhere it opens the switches)", "names": "names in place of addresses, as far as they are known", "addresses": "addresses in place of names", "health": "how full the table is, what is lost, and the sockets",
	"forget": "removes the connection from the table; the next packet is translated by today's rules", "forget all shown": "all that match the filter, never your own",
	"forget the group": "removes all connections of the group from the table, never your own", "forget its connections": "removes the connections that the rule made from the table, never your own",
	"block":  "drops what the client sends, for good, and forgets its connections; in lists of clients all of it, else to that service",
	"export": "writes the connections or groups that are shown to a file", "as JSON": "an object a line, as nattui flows --json", "as CSV": "with a line of titles",
	"its connections":    "shows the connections that the rule made, in Flows",
	"add a rule for it":  "the form for a NAT rule, filled with the connection or packet under the cursor",
	"forget all of them": "all that are listed, never your own",
	"complete":           "finishes the word; again for the next choice", "keep": "goes back to the list and keeps the filter", "earlier": "what was typed here before", "show all": "drops the filter",
	"end search": "forgets what was searched for",

	"begin": "asks the questions of what is under the cursor", "apply": "makes the change that is on the screen", "wait for a packet": "there is nothing to change: shows whether a packet comes through", "read on": "scrolls the plan", "read back": "scrolls it back",
	"countdown": "how long the change waits to be confirmed before it is rolled back", "back to the questions": "nothing is applied", "back to the fields": "nothing is applied",
	"fix": "shows the commands that cure it, and asks", "test the server": "opens one connection to the server of the forward",
	"follow it": "each step of the forward, and where it fails", "what to trace": "a filter for the packets to trace", "stop": "ends the trace and removes its table",
	"latest": "stays on the latest packet", "start": "starts the trace", "leave": "keeps what was typed",
	"go back":         "shows what leads back to the snapshot under the cursor, and asks",
	"save for reboot": "the running rules (in Flows w has the kernel count, elsewhere it opens the switches)",

	"yes": "does what the question names", "no": "nothing is done", "scroll": "reads on", "choose": "from one answer to the other", "answer": "the one that is marked",
	"next": "leaves the field, whatever stands in it; enter does the same", "back": "to the field before", "suggestion": "takes what is offered in grey behind what was typed", "another choice": "goes through what the field can be",
	"plan": "shows the plan, or the first field that is missing", "start anew": "drops what was typed before", "the other text": "goes on with commands that were left here before others were pasted; again for those",
	"fill the gaps": "asks for what placeholders stand for", "apply the corrections": "puts the corrected lines in place of the text", "accept doubts": "takes doubtful lines as they are",
	"change": "gives the switch its other value, after a question", "at boot too": "changes last over a reboot", "now only": "changes end with a reboot",
	"show it": "shows the rules of the chain", "do it": "does what is under the cursor", "quit": "leaves nattui; what is unconfirmed is rolled back", "stay": "goes back to the screens",
	"the lab": "in nattui lab and nattui learn: the map of the test network, and the mission", "send it": "in the lab: sends the packet that is waited for, and shows what came back (in Flows s sorts)",
	"send from it": "types a request of the host under the cursor: tcp, udp or ping, and where to", "send again": "what was sent last", "send": "shows what came back under the line",
	"a request": "PROTO ADDRESS:PORT, or ping ADDRESS", "another host": "to send from", "back to the map": "what came back stays there", "the mission": "its goal, how far you are, hints (in Flows m shows names)", "another lab": "another mission or scenario; the lab begins anew",
	"check the goal": "real packets show whether it is reached", "a hint": "one after another", "next mission": "once this one is done", "the map": "who is where and what listens", "begin it": "ends this lab and begins that one",
	"a packet": "PROTO SRC:PORT DST:PORT, and the interface it arrives by if you like",
}

// Clause says what an action does, by the name that its binding has.
func Clause(name string) string { return clauses[name] }
