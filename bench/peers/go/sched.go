// Go's side of the scheduler's workloads.
package main

import (
	"bufio"
	"math"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// How many a workload of a fixed size has: few, if it is only to show that it works.
func full(count int, seconds float64) int {
	if seconds > 0 || count < 1000 {
		return count
	}
	return 1000
}

// `count` goroutines yield in turn, each from `sites` places of the program. The time begins when all have started, and none
// ends before it is over: who has yielded enough parks.
func yields(name string, count int, sites int) func(float64) {
	return func(seconds float64) {
		count := full(count, seconds)
		measureTimed(name, seconds, float64(count*sites), func(n int) float64 {
			var all sync.WaitGroup
			var started, begun int32
			left := int32(count)
			over := make(chan struct{})
			var end time.Time
			all.Add(count)
			for g := 0; g < count; g++ {
				go func() {
					defer all.Done()
					atomic.AddInt32(&started, 1)
					for atomic.LoadInt32(&begun) == 0 {
						runtime.Gosched()
					}
					if sites == 1 {
						for i := 0; i < n; i++ {
							runtime.Gosched()
						}
					} else {
						for i := 0; i < n; i++ {
							runtime.Gosched()
							runtime.Gosched()
							runtime.Gosched()
							runtime.Gosched()
							runtime.Gosched()
							runtime.Gosched()
							runtime.Gosched()
							runtime.Gosched()
						}
					}
					if atomic.AddInt32(&left, -1) != 0 {
						<-over
						return
					}
					end = time.Now()
					close(over)
				}()
			}
			for int(atomic.LoadInt32(&started)) != count {
				runtime.Gosched()
			}
			start := time.Now()
			atomic.StoreInt32(&begun, 1)
			all.Wait()
			return end.Sub(start).Seconds()
		})
	}
}

func wave(count int, f func(i int)) {
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		i := i
		go func() {
			f(i)
			all.Done()
		}()
	}
	all.Wait()
}

func spawnJoin(seconds float64) {
	measure("spawn_join", seconds, 1, func(n int) {
		for i := 0; i < n; i++ {
			wave(1, func(int) {})
		}
	})
}

func spawnWave1k(seconds float64) {
	measure("spawn_wave_1k", seconds, 1000, func(n int) {
		for i := 0; i < n; i++ {
			wave(1000, func(int) {})
		}
	})
}

// The number behind `name` in a file of lines "Name:  number kB", in bytes.
func bytesIn(file string, name string) float64 {
	text, err := os.ReadFile(file)
	if err != nil {
		fail(err.Error())
	}
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name {
			kib, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				fail(err.Error())
			}
			return kib * 1024
		}
	}
	fail("no " + name + " in " + file)
	return 0
}

func spawn1m(seconds float64) {
	count := full(1000000, seconds)
	var took time.Duration
	for batch := 0; batch < 2; batch++ {
		start := time.Now()
		wave(count, func(int) {})
		took = time.Since(start)
	}
	report("spawn_1m", float64(took.Nanoseconds())/float64(count))
	report("spawn_1m_peak", bytesIn("/proc/self/status", "VmHWM:")/(1<<20))
}

func skynetSum(first int, leaves int) int {
	if leaves == 1 {
		return first
	}
	var sums [10]int
	wave(len(sums), func(i int) { sums[i] = skynetSum(first+i*(leaves/10), leaves/10) })
	sum := 0
	for _, s := range sums {
		sum += s
	}
	return sum
}

func skynet(name string) func(float64) {
	return func(seconds float64) {
		leaves := full(1000000, seconds)
		var took time.Duration
		for run := 0; run < 2; run++ {
			start := time.Now()
			if skynetSum(0, leaves) != leaves*(leaves-1)/2 {
				fail("skynet: wrong sum")
			}
			took = time.Since(start)
		}
		report(name, took.Seconds()*1e3)
	}
}

// Go can not say where: a goroutine that yields all the time, on the other P because this one never yields, looks for
// what it is to spawn.
func spawnAcross(seconds float64) {
	work := make(chan func(), 1)
	var over int32
	go func() {
		for atomic.LoadInt32(&over) == 0 {
			select {
			case f := <-work:
				go f()
			default:
			}
			runtime.Gosched()
		}
	}()
	var each []float64
	for begin := time.Now(); len(each) < 9 || time.Since(begin).Seconds() < seconds; {
		var ran int64 // nanoseconds after begin; 0: not yet
		called := time.Since(begin)
		work <- func() { atomic.StoreInt64(&ran, time.Since(begin).Nanoseconds()) }
		for atomic.LoadInt64(&ran) == 0 {
		}
		each = append(each, float64(ran-called.Nanoseconds()))
	}
	atomic.StoreInt32(&over, 1)
	sort.Float64s(each)
	report("spawn_across", each[len(each)/2])
}

// When a goroutine has begun, in nanoseconds after another moment; 0: not yet.
type beginning struct{ at int64 }

func (b *beginning) now(origin time.Time) { atomic.StoreInt64(&b.at, time.Since(origin).Nanoseconds()) }

// ready(b, origin) makes a goroutine runnable that calls b.now(origin), by one that keeps its P busy before and after
// that. Reports the microseconds until it has begun, of 99 in 100.
func measureSteals(name string, seconds float64, ready func(b *beginning, origin time.Time)) {
	origin := time.Now()
	var each []float64
	for len(each) < 9 || time.Since(origin).Seconds() < seconds {
		for busy := time.Now(); time.Since(busy) < 100*time.Microsecond; {
		}
		var other beginning
		made := time.Since(origin)
		ready(&other, origin)
		for atomic.LoadInt64(&other.at) == 0 {
			if time.Since(origin) > made+10*time.Millisecond {
				runtime.Gosched()
			}
		}
		each = append(each, float64(other.at-made.Nanoseconds())/1e3)
	}
	sort.Float64s(each)
	report(name, each[int(0.99*float64(len(each)-1))])
}

func steals(seconds float64) {
	measureSteals("steal_spawned_p99", seconds/2, func(b *beginning, origin time.Time) { go b.now(origin) })
	type wish struct {
		b      *beginning
		origin time.Time
	}
	wanted := make(chan wish, 1)
	go func() {
		for w := range wanted {
			w.b.now(w.origin)
		}
	}()
	measureSteals("steal_woken_p99", seconds/2, func(b *beginning, origin time.Time) { wanted <- wish{b, origin} })
	close(wanted)
}

func footprint() (bytes float64, maps float64) {
	bytes = bytesIn("/proc/self/smaps_rollup", "Rss:") + bytesIn("/proc/self/status", "VmPTE:")
	file, err := os.Open("/proc/self/maps")
	if err != nil {
		fail(err.Error())
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		maps++
	}
	return
}

func parked(name string, size int) func(float64) {
	return func(seconds float64) {
		count := full(size, seconds)
		gate := make(chan struct{})
		var all sync.WaitGroup
		var there int32
		all.Add(count)
		bytes, maps := footprint()
		start := time.Now()
		for g := 0; g < count; g++ {
			go func() {
				atomic.AddInt32(&there, 1)
				<-gate
				all.Done()
			}()
		}
		for int(atomic.LoadInt32(&there)) != count {
			runtime.Gosched()
		}
		took := time.Since(start)
		bytesNow, mapsNow := footprint()
		report(name+"_bytes", math.Max(bytesNow-bytes, 0)/float64(count))
		report(name+"_maps", math.Max(mapsNow-maps, 0))
		report(name+"_create", took.Seconds()*1e6/float64(count))
		if seconds > 0 {
			os.Exit(0)
		}
		close(gate)
		all.Wait()
	}
}

var schedBenchmarks = []benchmark{
	{"yield_2", 1, yields("yield_2", 2, 1)},
	{"yield_2_sites_8", 1, yields("yield_2_sites_8", 2, 8)},
	{"yield_1k", 1, yields("yield_1k", 1000, 1)},
	{"yield_100k", 1, yields("yield_100k", 100000, 1)},
	{"spawn_join", 1, spawnJoin},
	{"spawn_wave_1k", 1, spawnWave1k},
	{"spawn_1m", 1, spawn1m},
	{"skynet_1m", 1, skynet("skynet_1m")},
	{"yield_1k_2_workers", 2, yields("yield_1k_2_workers", 1000, 1)},
	{"skynet_1m_2_workers", 2, skynet("skynet_1m_2_workers")},
	{"spawn_across", 2, spawnAcross},
	{"steal_2_workers", 2, steals},
	{"memory_100k", 1, parked("memory_100k", 100000)},
	{"memory_1m", 1, parked("memory_1m", 1000000)},
}
