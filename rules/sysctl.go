package rules

import "strings"

// SysctlFile is where settings are saved for reboot (sysctl.d(5)).
const SysctlFile = "/etc/sysctl.d/90-nattui.conf"

// Kept is what a file of settings says about one of them; "" that it says nothing.
type Kept struct {
	Value string
	Old   string // what it said before, for the way back
}

// KeptValue is what the file says afterwards about a setting with Boot; "" nothing.
func (w Sysctl) KeptValue() string {
	if w.AtBoot != nil {
		return w.AtBoot.Value
	}
	return w.Value
}

// BootFile is the file that keeps the setting for boot.
func (w Sysctl) BootFile() string {
	if w.File != "" {
		return w.File
	}
	return SysctlFile
}

// Inverse is the write that undoes this one, at boot as well.
func (w Sysctl) Inverse() Sysctl {
	back := w
	back.Value, back.Old = w.Old, w.Value
	if w.AtBoot != nil {
		back.AtBoot = &Kept{Value: w.AtBoot.Old, Old: w.AtBoot.Value}
	}
	return back
}

// appends is the shell's word for adding a line to a file.
const appends = ">>"

// commands are the command lines of the write: that of now, unless the value is
// right already, and that which has it saved for reboot.
func (w Sysctl) commands() [][]string {
	var all [][]string
	if !w.Boot || w.Old != w.Value {
		all = append(all, []string{"sysctl", "-w", w.Name + "=" + w.Value})
	}
	switch kept := w.KeptValue(); {
	case !w.Boot:
	case kept != "":
		all = append(all, []string{"echo", w.Name + " = " + kept, appends, w.BootFile()})
	default:
		name := strings.NewReplacer(".", `\.`, "/", `\/`).Replace(w.Name)
		all = append(all, []string{"sed", "-i", "/^" + name + " *=/d", w.BootFile()})
	}
	return all
}

func (w Sysctl) sentence() string {
	text := "Set " + w.Name + " to " + w.Value
	switch {
	case w.Old == "":
	case w.Old == w.Value:
		text = w.Name + " stays " + w.Value
	default:
		text += " (it is " + w.Old + " now)"
	}
	switch kept := w.KeptValue(); {
	case !w.Boot:
	case kept == "":
		text += "; it is no longer set at boot"
	case kept != w.Value:
		text += ", and to " + kept + " at boot"
	case w.Old == w.Value:
		text += ", also at boot"
	default:
		text += ", now and at boot"
	}
	return text + "."
}
