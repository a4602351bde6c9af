// Go's side of the comparison. It has no semaphore in its library: a buffered channel is its idiom.
// Workloads: bench/groups.py; command line: bench/peers/README.md.
package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func fail(what string) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(1)
}

func report(result string, value float64) { fmt.Printf("%s %.6g\n", result, value) }

// Reports nanoseconds per operation. work(n) does n*operations of them and returns the seconds that they took; n grows
// until that is `seconds`.
func measureTimed(result string, seconds float64, operations float64, work func(n int) float64) {
	n := 100
	if operations >= 1000 {
		n = 20
	}
	for {
		took := work(n)
		if took >= seconds {
			report(result, took*1e9/(float64(n)*operations))
			return
		}
		n = int(float64(n) * math.Min(math.Max(1.2*seconds/math.Max(took, 1e-9), 2), 100))
	}
}

// The same for a work(n) that is measured from its call to its return.
func measure(result string, seconds float64, operations float64, work func(n int)) {
	measureTimed(result, seconds, operations, func(n int) float64 {
		start := time.Now()
		work(n)
		return time.Since(start).Seconds()
	})
}

func inGoroutines(bodies ...func()) {
	var all sync.WaitGroup
	all.Add(len(bodies))
	for _, body := range bodies {
		body := body
		go func() {
			defer all.Done()
			body()
		}()
	}
	all.Wait()
}

func roundTrips(name string) func(float64) {
	return func(seconds float64) {
		measure(name, seconds, 1, func(n int) {
			there := make(chan int)
			back := make(chan int)
			inGoroutines(func() {
				for i := 0; i < n; i++ {
					there <- 1
					<-back
				}
			}, func() {
				for i := 0; i < n; i++ {
					<-there
					back <- 1
				}
			})
		})
	}
}

func channelBuffered64Message(seconds float64) {
	measure("channel_buffered64_message", seconds, 1, func(n int) {
		ch := make(chan int, 64)
		inGoroutines(func() {
			for i := 0; i < n; i++ {
				ch <- 1
			}
		}, func() {
			for i := 0; i < n; i++ {
				<-ch
			}
		})
	})
}

func mutexUncontended(seconds float64) {
	var m sync.Mutex
	measure("mutex_uncontended", seconds, 1, func(n int) {
		for i := 0; i < n; i++ {
			m.Lock()
			m.Unlock()
		}
	})
}

func lockYieldUnlock1000(seconds float64) {
	measure("lock_yield_unlock_1000", seconds, 1000, func(n int) {
		var m sync.Mutex
		bodies := make([]func(), 1000)
		for b := range bodies {
			bodies[b] = func() {
				for i := 0; i < n; i++ {
					m.Lock()
					runtime.Gosched()
					m.Unlock()
				}
			}
		}
		inGoroutines(bodies...)
	})
}

func mutexContended2Workers(seconds float64) {
	const goroutines = 8
	measure("mutex_contended_2_workers", seconds, goroutines, func(n int) {
		var m sync.Mutex
		count := 0
		bodies := make([]func(), goroutines)
		for b := range bodies {
			bodies[b] = func() {
				for i := 0; i < n; i++ {
					m.Lock()
					count++
					m.Unlock()
				}
			}
		}
		inGoroutines(bodies...)
		if count != n*goroutines {
			fail("the mutex has let two in")
		}
	})
}

func semaphoreHandoff(seconds float64) {
	measure("semaphore_handoff", seconds, 2, func(n int) {
		mine := make(chan struct{}, 1)
		yours := make(chan struct{}, 1)
		mine <- struct{}{}
		alternate := func(wait, wake chan struct{}) func() {
			return func() {
				for i := 0; i < n; i++ {
					<-wait
					wake <- struct{}{}
				}
			}
		}
		inGoroutines(alternate(mine, yours), alternate(yours, mine))
	})
}

func conditionVariableHandoff(seconds float64) {
	measure("condition_variable_handoff", seconds, 2, func(n int) {
		var m sync.Mutex
		turned := sync.NewCond(&m)
		turn := 0
		alternate := func(me int) func() {
			return func() {
				for i := 0; i < n; i++ {
					m.Lock()
					for turn != me {
						turned.Wait()
					}
					turn = 1 - me
					turned.Signal()
					m.Unlock()
				}
			}
		}
		inGoroutines(alternate(0), alternate(1))
	})
}

func select4OneReady(seconds float64) {
	measure("select_4_one_ready", seconds, 1, func(n int) {
		var all [4]chan int
		for i := range all {
			all[i] = make(chan int, 1)
		}
		a, b, c, d := all[0], all[1], all[2], all[3]
		sum := 0
		for i := 0; i < n; i++ {
			select {
			case all[i%4] <- 1:
			default:
				fail("select left a message behind")
			}
			select {
			case v := <-a:
				sum += v
			case v := <-b:
				sum += v
			case v := <-c:
				sum += v
			case v := <-d:
				sum += v
			}
		}
		if sum != n {
			fail("select received something else")
		}
	})
}

func cpuSeconds() float64 {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		fail(err.Error())
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()).Seconds()
}

func sleeping(name string, sleepers int, seconds float64) {
	sleepers = full(sleepers, seconds)
	each := 1
	if seconds > 0 {
		each = 5
		if sleepers > 10000 {
			each = 2
		}
	}
	start := cpuSeconds()
	random := uint64(1)
	late := make([]float64, 0, each*sleepers) // microseconds; goroutines take turns on one P, but preemption may come
	var m sync.Mutex
	next := func() time.Duration {
		m.Lock()
		defer m.Unlock()
		random = random*6364136223846793005 + 1442695040888963407
		return time.Duration(1000000 + (random>>33)%uint64(sleepers*9900+1))
	}
	over := func(due time.Time) {
		l := time.Since(due)
		if l < 0 {
			fail("a sleep ended early")
		}
		m.Lock()
		late = append(late, float64(l.Nanoseconds())/1e3)
		m.Unlock()
	}
	bodies := make([]func(), sleepers)
	for b := range bodies {
		bodies[b] = func() {
			for i := 0; i < each; i++ {
				duration := next()
				due := time.Now().Add(duration)
				time.Sleep(duration)
				over(due)
			}
		}
	}
	inGoroutines(bodies...)
	cpu := cpuSeconds() - start
	if len(late) != each*sleepers {
		fail("a sleep got lost")
	}
	report(name+"_cpu", cpu*1e6/float64(len(late)))
	sort.Float64s(late)
	report(name+"_oversleep", late[len(late)/2])
}

type benchmark struct {
	name    string
	workers int
	run     func(seconds float64)
}

var benchmarks = append([]benchmark{
	{"channel_unbuffered_round_trip", 1, roundTrips("channel_unbuffered_round_trip")},
	{"channel_buffered64_message", 1, channelBuffered64Message},
	{"mutex_uncontended", 1, mutexUncontended},
	{"lock_yield_unlock_1000", 1, lockYieldUnlock1000},
	{"mutex_contended_2_workers", 2, mutexContended2Workers},
	{"semaphore_handoff", 1, semaphoreHandoff},
	{"condition_variable_handoff", 1, conditionVariableHandoff},
	{"select_4_one_ready", 1, select4OneReady},
	{"sleep_10k", 1, func(s float64) { sleeping("sleep_10k", 10000, s) }},
	{"sleep_100k", 1, func(s float64) { sleeping("sleep_100k", 100000, s) }},
	{"ping_pong_2_workers", 2, roundTrips("ping_pong_2_workers")},
}, schedBenchmarks...)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println(runtime.Version())
		return
	}
	if len(os.Args) == 2 && os.Args[1] == "--list" {
		for _, b := range benchmarks {
			fmt.Println(b.name)
		}
		for _, name := range append(append(echoes, httpNames...), "tcp_churn") {
			fmt.Println(name)
		}
		return
	}
	if len(os.Args) == 2 && os.Args[1] == "--serve" {
		serve(1, session)
	}
	if len(os.Args) == 2 && os.Args[1] == "--serve-2" {
		serve(2, session)
	}
	if len(os.Args) == 2 && os.Args[1] == "--serve-idle" {
		serve(1, idleSession)
	}
	if len(os.Args) == 2 && os.Args[1] == "--serve-churn" {
		serve(1, churnSession)
	}
	if len(os.Args) == 2 && os.Args[1] == "--serve-http" {
		serveHTTP()
	}
	if len(os.Args) == 3 {
		seconds, err := strconv.ParseFloat(os.Args[2], 64)
		for _, b := range benchmarks {
			if err == nil && b.name == os.Args[1] {
				runtime.GOMAXPROCS(b.workers)
				b.run(seconds)
				return
			}
		}
	}
	fail("usage: go --version | --list | --serve... | NAME SECONDS")
}
