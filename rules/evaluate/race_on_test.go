//go:build race

package evaluate

// raceDetector is set while tests run under the race detector, which makes
// sync.Pool forget at random, so that allocations cannot be counted.
const raceDetector = true
