package rules

// Order is an order to a program that owns the firewall of a host and makes rules from what it was told: firewalld and
// ufw. What is ordered is there or is not, and the program is asked which.
type Order struct {
	By   string // firewalld or ufw, as OwnerOf names them
	What string // what is ordered, as a sentence without its end: "Let TCP port 80 of 192.168.0.2 be reached from wan0"
	// Add and Remove are the commands that have it there, and not there, each with its program first.
	Add, Remove []string
	// Query is the command that asks whether it is there: it exits with 0 if Line is "", else it prints Line.
	Query []string
	Line  string `json:",omitempty"`
	// Diverts are the ports of this host that it takes from whoever listens there; zero: none.
	Diverts Ports `json:",omitzero"`
	// Gone has it not there, instead of there.
	Gone bool `json:",omitempty"`
	// Idle is set for an order that changed nothing, as things were so already; its inverse changes nothing either.
	Idle bool `json:",omitempty"`
}

// Inverse is the order that undoes this one.
func (o Order) Inverse() Order {
	o.Gone = !o.Gone
	return o
}

// Command is the command that carries the order out.
func (o Order) Command() []string {
	if o.Gone {
		return o.Remove
	}
	return o.Add
}

// Sentence says what is ordered.
func (o Order) Sentence() string {
	if o.Gone {
		return "No longer, by " + o.By + ": " + o.What + "."
	}
	return o.What + ", by " + o.By + "."
}

// Orders lists the orders of a plan.
func (p Plan) Orders() []Order {
	var all []Order
	for _, s := range p.Steps {
		if s.Order != nil {
			all = append(all, *s.Order)
		}
	}
	return all
}
