//! tokio's side of the scheduler's workloads.
use crate::{fail, measure, measure_timed, report};
use std::fs::read_to_string;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{spawn, yield_now};

pub const NAMES: [&str; 15] = [
    "yield_2",
    "yield_2_sites_8",
    "yield_1k",
    "yield_100k",
    "spawn_join",
    "spawn_wave_1k",
    "spawn_1m",
    "skynet_1m",
    "yield_1k_2_workers",
    "skynet_1m_2_workers",
    "wake_2_workers",
    "spawn_across",
    "steal_2_workers",
    "memory_100k",
    "memory_1m",
];

/// How many a workload of a fixed size has: few, if it is only to show that it works.
pub fn full(count: usize, seconds: f64) -> usize {
    if seconds > 0.0 {
        count
    } else {
        count.min(1000)
    }
}

/// `count` tasks yield n times in turn, each from `sites` places of the program. The time begins when all have started,
/// and none ends before it is over: who has yielded enough parks.
async fn yields(n: u64, count: usize, sites: usize) -> f64 {
    struct Ring {
        started: AtomicUsize,
        left: AtomicUsize,
        begun: AtomicBool,
        end: Mutex<Option<Instant>>,
        over: Semaphore,
    }
    let ring = Arc::new(Ring {
        started: AtomicUsize::new(0),
        left: AtomicUsize::new(count),
        begun: AtomicBool::new(false),
        end: Mutex::new(None),
        over: Semaphore::new(0),
    });
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let ring = ring.clone();
            spawn(async move {
                ring.started.fetch_add(1, SeqCst);
                while !ring.begun.load(Acquire) {
                    yield_now().await;
                }
                if sites == 1 {
                    for _ in 0..n {
                        yield_now().await;
                    }
                } else {
                    for _ in 0..n {
                        yield_now().await;
                        yield_now().await;
                        yield_now().await;
                        yield_now().await;
                        yield_now().await;
                        yield_now().await;
                        yield_now().await;
                        yield_now().await;
                    }
                }
                if ring.left.fetch_sub(1, SeqCst) != 1 {
                    let _ = ring.over.acquire().await;
                    return;
                }
                *ring.end.lock().unwrap() = Some(Instant::now());
                ring.over.close();
            })
        })
        .collect();
    while ring.started.load(SeqCst) != count {
        yield_now().await;
    }
    let start = Instant::now();
    ring.begun.store(true, Release);
    for task in tasks {
        task.await.unwrap();
    }
    let end = ring.end.lock().unwrap().unwrap();
    (end - start).as_secs_f64()
}

async fn measure_yields(name: &str, seconds: f64, count: usize, sites: usize) {
    measure_timed(name, seconds, (count * sites) as f64, |n| yields(n, count, sites)).await
}

async fn wave(count: usize) {
    let tasks: Vec<_> = (0..count).map(|_| spawn(async {})).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn spawn_join(n: u64) {
    for _ in 0..n {
        spawn(async {}).await.unwrap();
    }
}

async fn waves(n: u64) {
    for _ in 0..n {
        wave(1000).await;
    }
}

/// The number behind `name` in a file of lines "Name:  number kB", in bytes.
fn bytes_in(file: &str, name: &str) -> f64 {
    let text = read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

async fn spawn_1m(seconds: f64) {
    let count = full(1_000_000, seconds);
    let mut took = 0.0;
    for _ in 0..2 {
        let start = Instant::now();
        wave(count).await;
        took = start.elapsed().as_secs_f64();
    }
    report("spawn_1m", took * 1e9 / count as f64);
    report("spawn_1m_peak", bytes_in("/proc/self/status", "VmHWM:") / (1 << 20) as f64);
}

fn skynet_sum(first: u64, leaves: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        let each = leaves / 10;
        let children: Vec<_> = (0..10)
            .map(|i| first + i * each)
            .map(|first| if each == 1 { spawn(async move { first }) } else { spawn(skynet_sum(first, each)) })
            .collect();
        let mut sum = 0;
        for child in children {
            sum += child.await.unwrap();
        }
        sum
    })
}

async fn skynet(name: &str, seconds: f64) {
    let leaves = full(1_000_000, seconds) as u64;
    let mut took = 0.0;
    for _ in 0..2 {
        let start = Instant::now();
        if skynet_sum(0, leaves).await != leaves * (leaves - 1) / 2 {
            fail("skynet: wrong sum");
        }
        took = start.elapsed().as_secs_f64();
    }
    report(name, took * 1e3);
}

/// Spawns into another runtime again and again; reports the nanoseconds until the task runs, the median.
fn measure_wakes(name: &str, seconds: f64, target: &Handle) {
    let begin = Instant::now();
    let ran = Arc::new(AtomicU64::new(0));
    let mut each = Vec::new();
    while each.len() < 9 || begin.elapsed().as_secs_f64() < seconds {
        ran.store(0, Relaxed);
        let task_ran = ran.clone();
        let called = begin.elapsed().as_nanos() as u64;
        target.spawn(async move { task_ran.store(begin.elapsed().as_nanos() as u64, Release) });
        while ran.load(Acquire) == 0 {}
        each.push(ran.load(Acquire) - called);
    }
    each.sort();
    report(name, each[each.len() / 2] as f64);
}

/// Keeps the runtime awake.
async fn yield_until(over: Arc<AtomicBool>) {
    while !over.load(Acquire) {
        yield_now().await;
    }
}

/// From a plain thread.
async fn wake(seconds: f64) {
    let target = Handle::current();
    let over = Arc::new(AtomicBool::new(false));
    let said_over = over.clone();
    let spawner = std::thread::spawn(move || {
        measure_wakes("wake_2_workers", seconds, &target);
        said_over.store(true, Release);
    });
    yield_until(over).await;
    spawner.join().unwrap();
}

/// From a task of this runtime.
async fn spawn_across(seconds: f64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let target = runtime.handle().clone();
    let over = Arc::new(AtomicBool::new(false));
    let its_over = over.clone();
    let other = std::thread::spawn(move || runtime.block_on(yield_until(its_over)));
    measure_wakes("spawn_across", seconds, &target);
    over.store(true, Release);
    other.join().unwrap();
}

/// ready(begun, origin) makes a task runnable that stores the nanoseconds since `origin` into `begun`, by one that keeps
/// its worker busy before and after that. Reports the microseconds until it has begun, of 99 in 100.
async fn measure_steals(name: &str, seconds: f64, ready: impl Fn(Arc<AtomicU64>, Instant)) {
    let origin = Instant::now();
    let mut each = Vec::new();
    while each.len() < 9 || origin.elapsed().as_secs_f64() < seconds {
        let busy = Instant::now();
        while busy.elapsed() < Duration::from_micros(100) {}
        let begun = Arc::new(AtomicU64::new(0));
        let made = origin.elapsed();
        ready(begun.clone(), origin);
        while begun.load(Acquire) == 0 {
            if origin.elapsed() > made + Duration::from_millis(10) {
                yield_now().await;
            }
        }
        each.push(begun.load(Acquire) - made.as_nanos() as u64);
    }
    each.sort();
    report(name, each[((each.len() - 1) as f64 * 0.99) as usize] as f64 / 1e3);
}

async fn steals(seconds: f64) {
    fn now(begun: &AtomicU64, origin: Instant) {
        begun.store(origin.elapsed().as_nanos() as u64, Release)
    }
    measure_steals("steal_spawned_p99", seconds / 2.0, |begun, origin| {
        spawn(async move { now(&begun, origin) });
    })
    .await;
    let wish: Arc<Mutex<Option<(Arc<AtomicU64>, Instant)>>> = Arc::new(Mutex::new(None));
    let wanted = Arc::new(Semaphore::new(0));
    let (its_wish, its_wanted) = (wish.clone(), wanted.clone());
    let other = spawn(async move {
        while let Ok(permit) = its_wanted.acquire().await {
            permit.forget();
            let (begun, origin) = its_wish.lock().unwrap().take().unwrap();
            now(&begun, origin);
        }
    });
    measure_steals("steal_woken_p99", seconds / 2.0, |begun, origin| {
        *wish.lock().unwrap() = Some((begun, origin));
        wanted.add_permits(1);
    })
    .await;
    wanted.close();
    other.await.unwrap();
}

struct Footprint {
    bytes: f64,
    maps: usize,
}

fn footprint() -> Footprint {
    Footprint {
        bytes: bytes_in("/proc/self/smaps_rollup", "Rss:") + bytes_in("/proc/self/status", "VmPTE:"),
        maps: read_to_string("/proc/self/maps").unwrap().lines().count(),
    }
}

async fn parked(name: &str, seconds: f64, size: usize) {
    let count = full(size, seconds);
    let gate = Arc::new(Semaphore::new(0));
    let there = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::with_capacity(count);
    let before = footprint();
    let start = Instant::now();
    for _ in 0..count {
        let (gate, there) = (gate.clone(), there.clone());
        tasks.push(spawn(async move {
            there.fetch_add(1, SeqCst);
            gate.acquire().await.is_err()
        }));
    }
    while there.load(SeqCst) != count {
        yield_now().await;
    }
    let took = start.elapsed().as_secs_f64();
    let now = footprint();
    report(&format!("{}_bytes", name), (now.bytes - before.bytes).max(0.0) / count as f64);
    report(&format!("{}_maps", name), now.maps.saturating_sub(before.maps) as f64);
    report(&format!("{}_create", name), took * 1e6 / count as f64);
    if seconds > 0.0 {
        std::process::exit(0);
    }
    gate.close();
    for task in tasks {
        task.await.unwrap();
    }
}

pub async fn run(name: &str, seconds: f64) {
    match name {
        "yield_2" => measure_yields(name, seconds, 2, 1).await,
        "yield_2_sites_8" => measure_yields(name, seconds, 2, 8).await,
        "yield_1k" | "yield_1k_2_workers" => measure_yields(name, seconds, 1000, 1).await,
        "yield_100k" => measure_yields(name, seconds, full(100_000, seconds), 1).await,
        "spawn_join" => measure(name, seconds, 1.0, spawn_join).await,
        "spawn_wave_1k" => measure(name, seconds, 1000.0, waves).await,
        "spawn_1m" => spawn_1m(seconds).await,
        "skynet_1m" | "skynet_1m_2_workers" => skynet(name, seconds).await,
        "wake_2_workers" => wake(seconds).await,
        "spawn_across" => spawn_across(seconds).await,
        "steal_2_workers" => steals(seconds).await,
        "memory_100k" => parked(name, seconds, 100_000).await,
        "memory_1m" => parked(name, seconds, 1_000_000).await,
        _ => fail("usage: tokio --version | --list | --serve | --serve-idle | NAME SECONDS"),
    }
}
