// SPDX-License-Identifier: MIT

// What Go takes for the operations of the micro bench, on one thread: go_micro ROUNDS [NAME]
//
// One line an operation, tab-separated: name, median, min, max, allocations per operation.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// Of the calling thread, which with GOMAXPROCS=1 and no garbage to collect is all there is.
func processorNs() int64 {
	var now syscall.Timespec
	const processTime = 2 // CLOCK_PROCESS_CPUTIME_ID
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, processTime, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}

// Runs what is to be measured, and says what part of the run that was.
type watch struct {
	ns, made float64
	start    int64
	before   runtime.MemStats
}

func (w *watch) begin() {
	runtime.ReadMemStats(&w.before)
	w.start = processorNs()
}

func (w *watch) end() {
	w.ns = float64(processorNs() - w.start)
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	w.made = float64(after.Mallocs - w.before.Mallocs)
}

func spawnJoin(group int) func(*watch, int) {
	return func(w *watch, count int) {
		w.begin()
		for done := 0; done < count; done += group {
			var all sync.WaitGroup
			all.Add(group)
			for i := 0; i < group; i++ {
				go all.Done()
			}
			all.Wait()
		}
		w.end()
	}
}

func yieldSwitch(w *watch, count int) {
	var both sync.WaitGroup
	both.Add(2)
	w.begin()
	for side := 0; side < 2; side++ {
		go func() {
			for i := 0; i < count/2; i++ {
				runtime.Gosched()
			}
			both.Done()
		}()
	}
	both.Wait()
	w.end()
}

func rendezvous(w *watch, count int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for item := range there {
			back <- item
		}
	}()
	w.begin()
	for i := 0; i < count; i++ {
		there <- i
		<-back
	}
	w.end()
	close(there)
}

func channel64(w *watch, count int) {
	items := make(chan int, 64)
	w.begin()
	go func() {
		for i := 0; i < count; i++ {
			items <- i
		}
		close(items)
	}()
	sum := 0
	for item := range items {
		sum += item
	}
	w.end()
	if sum != count*(count-1)/2 {
		panic("items were lost")
	}
}

func selectOfTwo(w *watch, count int) {
	first, second := make(chan int), make(chan int)
	stop := make(chan struct{})
	go func() {
		for i := 0; ; i++ {
			to := first
			if i%2 == 1 {
				to = second
			}
			select {
			case to <- i:
			case <-stop:
				return
			}
		}
	}()
	w.begin()
	for i := 0; i < count; i++ {
		select {
		case <-first:
		case <-second:
		}
	}
	w.end()
	close(stop)
}

func mutexUncontended(w *watch, count int) {
	var lock sync.Mutex
	w.begin()
	for i := 0; i < count; i++ {
		lock.Lock()
		lock.Unlock()
	}
	w.end()
}

// A channel with room is how Go counts permits.
func semaphoreUncontended(w *watch, count int) {
	permits := make(chan struct{}, 1)
	w.begin()
	for i := 0; i < count; i++ {
		permits <- struct{}{}
		<-permits
	}
	w.end()
}

func timerChurn(outstanding int) func(*watch, int) {
	return func(w *watch, count int) {
		others := make([]*time.Timer, outstanding)
		for i := range others {
			others[i] = time.AfterFunc(time.Hour+time.Duration(i), func() {})
		}
		w.begin()
		for i := 0; i < count; i++ {
			time.AfterFunc(time.Hour, func() {}).Stop()
		}
		w.end()
		for _, one := range others {
			one.Stop()
		}
	}
}

func timerArmCancel(w *watch, count int) {
	all := make([]*time.Timer, count)
	w.begin()
	for i := range all {
		all[i] = time.AfterFunc(30*time.Second+time.Duration(i)*1000, func() {})
	}
	for _, one := range all {
		one.Stop()
	}
	w.end()
}

func cancelSleeping(depth int) func(*watch, int) {
	var sleep func(context.Context, int)
	sleep = func(within context.Context, left int) {
		if left > 1 {
			sleep(within, left-1)
			return
		}
		timer := time.NewTimer(time.Hour)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-within.Done():
		}
	}
	return func(w *watch, count int) {
		within, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		all.Add(count)
		for i := 0; i < count; i++ {
			go func() {
				sleep(within, depth)
				all.Done()
			}()
		}
		runtime.Gosched()
		w.begin()
		cancel()
		all.Wait()
		w.end()
	}
}

var benches = []struct {
	name  string
	count int
	body  func(*watch, int)
}{
	{"spawn_join_1", 200_000, spawnJoin(1)},
	{"spawn_join_100", 1_000_000, spawnJoin(100)},
	{"spawn_join_1m", 1_000_000, spawnJoin(1_000_000)},
	{"yield_switch", 2_000_000, yieldSwitch},
	{"channel_rendezvous_roundtrip", 500_000, rendezvous},
	{"channel_64_item", 2_000_000, channel64},
	{"select_2", 500_000, selectOfTwo},
	{"mutex_uncontended", 10_000_000, mutexUncontended},
	{"semaphore_uncontended", 5_000_000, semaphoreUncontended},
	{"timer_1m_arm_cancel", 1_000_000, timerArmCancel},
	{"timer_churn_at_1m", 1_000_000, timerChurn(1_000_000)},
	{"cancel_100k_depth1_ms", 100_000, cancelSleeping(1)},
	{"cancel_100k_depth3_ms", 100_000, cancelSleeping(3)},
}

func main() {
	rounds, _ := strconv.Atoi(os.Args[1])
	for _, one := range benches {
		if len(os.Args) > 2 && one.name != os.Args[2] {
			continue
		}
		var values []float64
		made := 0.0
		for round := -1; round < rounds; round++ {
			runtime.GC()
			var w watch
			one.body(&w, one.count)
			if round < 0 {
				continue
			}
			value := w.ns / float64(one.count)
			if strings.HasSuffix(one.name, "_ms") {
				value = w.ns / 1e6
			}
			values = append(values, value)
			made = w.made / float64(one.count)
		}
		sort.Float64s(values)
		fmt.Printf("%s\t%.2f\t%.2f\t%.2f\t%.4f\n", one.name, values[len(values)/2], values[0], values[len(values)-1], made)
	}
}
