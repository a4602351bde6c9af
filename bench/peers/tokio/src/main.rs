//! tokio's side of the comparison: current_thread on one worker, multi_thread on two. It has neither unbuffered
//! channels (mpsc with room for one is the closest) nor condition variables (Notify). Workloads: bench/groups.py;
//! command line: bench/peers/README.md.
mod echo;
mod sched;

use std::future::Future;
use std::process::exit;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, Mutex, Notify, Semaphore};
use tokio::task::{spawn, yield_now};

fn fail(what: &str) -> ! {
    eprintln!("{}", what);
    exit(1)
}

fn report(result: &str, value: f64) {
    println!("{} {}", result, value);
}

/// Reports nanoseconds per operation. work(n) does n * `operations` of them and says the seconds that they took.
async fn measure_timed<W, F>(result: &str, seconds: f64, operations: f64, work: W)
where
    W: Fn(u64) -> F,
    F: Future<Output = f64>,
{
    let mut n: u64 = if operations < 1000.0 { 100 } else { 20 };
    loop {
        let took = work(n).await;
        if took >= seconds {
            return report(result, took * 1e9 / (n as f64 * operations));
        }
        n = (n as f64 * (1.2 * seconds / took.max(1e-9)).clamp(2.0, 100.0)) as u64;
    }
}

/// The same for a work(n) that is measured as a whole.
async fn measure<W, F>(result: &str, seconds: f64, operations: f64, work: W)
where
    W: Fn(u64) -> F,
    F: Future<Output = ()>,
{
    measure_timed(result, seconds, operations, |n| {
        let all = work(n);
        async {
            let start = Instant::now();
            all.await;
            start.elapsed().as_secs_f64()
        }
    })
    .await
}

async fn in_two_tasks<A, B>(a: A, b: B)
where
    A: Future<Output = ()> + Send + 'static,
    B: Future<Output = ()> + Send + 'static,
{
    let first = spawn(a);
    let second = spawn(b);
    first.await.unwrap();
    second.await.unwrap();
}

async fn round_trips(n: u64) {
    let (there, mut at_there) = mpsc::channel::<i32>(1);
    let (back, mut at_back) = mpsc::channel::<i32>(1);
    in_two_tasks(
        async move {
            for _ in 0..n {
                there.send(1).await.unwrap();
                at_back.recv().await.unwrap();
            }
        },
        async move {
            for _ in 0..n {
                at_there.recv().await.unwrap();
                back.send(1).await.unwrap();
            }
        },
    )
    .await
}

async fn buffered(n: u64) {
    let (sender, mut receiver) = mpsc::channel::<i32>(64);
    in_two_tasks(
        async move {
            for _ in 0..n {
                sender.send(1).await.unwrap();
            }
        },
        async move {
            for _ in 0..n {
                receiver.recv().await.unwrap();
            }
        },
    )
    .await
}

async fn uncontended(n: u64) {
    let m = Mutex::new(());
    for _ in 0..n {
        drop(m.lock().await);
    }
}

async fn lock_yield_unlock(n: u64) {
    let m = Arc::new(Mutex::new(()));
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let m = m.clone();
            spawn(async move {
                for _ in 0..n {
                    let _guard = m.lock().await;
                    yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn contended(n: u64) {
    const TASKS: u64 = 8;
    let m = Arc::new(Mutex::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let m = m.clone();
            spawn(async move {
                for _ in 0..n {
                    *m.lock().await += 1;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    if *m.lock().await != n * TASKS {
        fail("the mutex has let two in");
    }
}

async fn semaphore(n: u64) {
    async fn alternate(n: u64, wait: Arc<Semaphore>, wake: Arc<Semaphore>) {
        for _ in 0..n {
            wait.acquire().await.unwrap().forget();
            wake.add_permits(1);
        }
    }
    let mine = Arc::new(Semaphore::new(1));
    let yours = Arc::new(Semaphore::new(0));
    in_two_tasks(alternate(n, mine.clone(), yours.clone()), alternate(n, yours, mine)).await
}

async fn notify(n: u64) {
    async fn alternate(n: u64, me: u32, turn: Arc<StdMutex<u32>>, wait: Arc<Notify>, wake: Arc<Notify>) {
        for _ in 0..n {
            loop {
                {
                    let mut turn = turn.lock().unwrap();
                    if *turn == me {
                        *turn = 1 - me;
                        break;
                    }
                }
                wait.notified().await;
            }
            wake.notify_one();
        }
    }
    let turn = Arc::new(StdMutex::new(0));
    let first = Arc::new(Notify::new());
    let second = Arc::new(Notify::new());
    in_two_tasks(alternate(n, 0, turn.clone(), first.clone(), second.clone()), alternate(n, 1, turn, second, first))
        .await
}

async fn select_of_4(n: u64) {
    let (to_a, mut a) = mpsc::channel::<u64>(1);
    let (to_b, mut b) = mpsc::channel::<u64>(1);
    let (to_c, mut c) = mpsc::channel::<u64>(1);
    let (to_d, mut d) = mpsc::channel::<u64>(1);
    let all = [to_a, to_b, to_c, to_d];
    let mut sum = 0;
    for i in 0..n {
        if all[(i % 4) as usize].try_send(1).is_err() {
            fail("select left a message behind");
        }
        tokio::select! {
            v = a.recv() => sum += v.unwrap(),
            v = b.recv() => sum += v.unwrap(),
            v = c.recv() => sum += v.unwrap(),
            v = d.recv() => sum += v.unwrap(),
        }
    }
    if sum != n {
        fail("select received something else");
    }
}

fn cpu_seconds() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    if unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) } != 0 {
        fail("no process CPU clock");
    }
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

struct Sleeps {
    random: u64,
    late: Vec<f64>, // microseconds
}

async fn sleeping(name: &str, sleepers: usize, seconds: f64) {
    let sleepers = sched::full(sleepers, seconds);
    let each = if seconds <= 0.0 {
        1
    } else if sleepers > 10_000 {
        2
    } else {
        5
    };
    let start = cpu_seconds();
    let all = Arc::new(StdMutex::new(Sleeps { random: 1, late: Vec::with_capacity(each * sleepers) }));
    let tasks: Vec<_> = (0..sleepers)
        .map(|_| {
            let all = all.clone();
            spawn(async move {
                for _ in 0..each {
                    let duration = {
                        let mut all = all.lock().unwrap();
                        all.random = all.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        Duration::from_nanos(1_000_000 + (all.random >> 33) % (sleepers as u64 * 9900 + 1))
                    };
                    let due = Instant::now() + duration;
                    tokio::time::sleep(duration).await;
                    match Instant::now().checked_duration_since(due) {
                        Some(late) => all.lock().unwrap().late.push(late.as_secs_f64() * 1e6),
                        None => fail("a sleep ended early"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let cpu = cpu_seconds() - start;
    let late = &mut all.lock().unwrap().late;
    if late.len() != each * sleepers {
        fail("a sleep got lost");
    }
    report(&format!("{}_cpu", name), cpu * 1e6 / late.len() as f64);
    late.sort_by(|a, b| a.partial_cmp(b).unwrap());
    report(&format!("{}_oversleep", name), late[late.len() / 2]);
}

const NAMES: [&str; 11] = [
    "channel_unbuffered_round_trip",
    "channel_buffered64_message",
    "mutex_uncontended",
    "lock_yield_unlock_1000",
    "mutex_contended_2_workers",
    "semaphore_handoff",
    "condition_variable_handoff",
    "select_4_one_ready",
    "sleep_10k",
    "sleep_100k",
    "ping_pong_2_workers",
];

async fn run(name: String, seconds: f64) {
    let name = name.as_str();
    match name {
        "channel_unbuffered_round_trip" | "ping_pong_2_workers" => measure(name, seconds, 1.0, round_trips).await,
        "channel_buffered64_message" => measure(name, seconds, 1.0, buffered).await,
        "mutex_uncontended" => measure(name, seconds, 1.0, uncontended).await,
        "lock_yield_unlock_1000" => measure(name, seconds, 1000.0, lock_yield_unlock).await,
        "mutex_contended_2_workers" => measure(name, seconds, 8.0, contended).await,
        "semaphore_handoff" => measure(name, seconds, 2.0, semaphore).await,
        "condition_variable_handoff" => measure(name, seconds, 2.0, notify).await,
        "select_4_one_ready" => measure(name, seconds, 1.0, select_of_4).await,
        "sleep_10k" => sleeping(name, 10_000, seconds).await,
        "sleep_100k" => sleeping(name, 100_000, seconds).await,
        _ => sched::run(name, seconds).await,
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--version"] => println!("{}", env!("PEER_VERSION")),
        ["--list"] => NAMES.iter().chain(&sched::NAMES).chain(&echo::NAMES).for_each(|name| println!("{}", name)),
        [how] if how == "--serve" || how == "--serve-idle" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            runtime.block_on(echo::serve(how == "--serve-idle")).unwrap()
        }
        ["--serve-2"] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build().unwrap();
            let serving = runtime.spawn(echo::serve(false)); // as a task: block_on() would serve on a third thread
            runtime.block_on(serving).unwrap().unwrap()
        }
        [name, seconds] if seconds.parse::<f64>().is_ok() => {
            let runtime = match name {
                "mutex_contended_2_workers" | "ping_pong_2_workers" | "yield_1k_2_workers" | "skynet_1m_2_workers"
                | "steal_2_workers" => {
                    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()
                }
                _ => tokio::runtime::Builder::new_current_thread().enable_time().build(),
            };
            let task = run(name.to_string(), seconds.parse().unwrap());
            runtime.unwrap().block_on(async { spawn(task).await.unwrap() })
        }
        _ => fail("usage: tokio --version | --list | --serve | --serve-2 | --serve-idle | NAME SECONDS"),
    }
}
