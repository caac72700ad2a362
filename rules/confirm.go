package rules

import "time"

// ConfirmTime is how long a change that may touch the operator's own connection waits to be
// confirmed before it is rolled back, where no other time was chosen.
const ConfirmTime = 90 * time.Second
