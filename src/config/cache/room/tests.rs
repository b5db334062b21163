//! What a room keeps, forgets, and loads once.

use std::sync::atomic::AtomicUsize;

use futures::FutureExt as _;

use super::*;

fn room(bytes: u64, ttl: Duration) -> Room<u32, str> {
    Room::new("feeds", RoomSettings { bytes, ttl }, Runs::FromLoad)
}

fn value(text: &str) -> Loaded<str> {
    Some((Arc::from(text), text.len() as u64))
}

#[tokio::test]
async fn of_a_thousand_who_ask_at_once_one_loads() {
    let room = Arc::new(room(1 << 20, Duration::from_secs(60)));
    let loads = Arc::new(AtomicUsize::new(0));
    let asking: Vec<_> = (0..1_000)
        .map(|_| {
            let (room, loads) = (room.clone(), loads.clone());
            tokio::spawn(async move {
                let load = || {
                    async {
                        loads.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                        Ok::<_, ()>(value("x"))
                    }
                    .boxed()
                };
                room.get(&7, load).await
            })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap().unwrap().as_deref(), Some("x"));
    }
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    assert_eq!(room.figures().loads, 1);
    assert_eq!(room.figures().hits + room.figures().misses, 1_000);
}

#[tokio::test]
async fn an_error_is_not_kept() {
    let room = room(1 << 20, Duration::from_secs(60));
    assert_eq!(*room.get(&7, || async { Err("down") }.boxed()).await.unwrap_err(), "down");
    assert_eq!(room.get(&7, || async { Ok::<_, &str>(value("x")) }.boxed()).await.unwrap().as_deref(), Some("x"));
    assert_eq!((room.figures().loads, room.figures().errors), (2, 1));
}

#[tokio::test]
async fn bytes_are_bounded() {
    let room = room(10_000, Duration::from_secs(60));
    let text = "x".repeat(800);
    for key in 0..100 {
        room.get(&key, || async { Ok::<_, ()>(value(&text)) }.boxed()).await.unwrap();
    }
    room.sweep().await;
    let figures = room.figures();
    assert!(figures.bytes <= 10_000 && figures.entries >= 5, "{figures:?}");
}

#[tokio::test]
async fn that_there_is_none_is_kept_for_a_moment() {
    let room = room(1 << 20, Duration::from_millis(20));
    assert_eq!(room.get(&7, || async { Ok::<_, ()>(None) }.boxed()).await.unwrap(), None);
    assert_eq!(room.get(&7, || async { Err("asked too soon") }.boxed()).await.unwrap(), None);
    let began = Instant::now();
    while room.get(&7, || async { Ok::<_, ()>(value("x")) }.boxed()).await.unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn what_is_used_stays_and_what_nobody_asks_for_goes() {
    let ttl = Duration::from_millis(300);
    let room = Room::new("feeds", RoomSettings { bytes: 1 << 20, ttl }, Runs::FromUse);
    let load = async |key: u32| room.get(&key, || async { Ok::<_, ()>(value("x")) }.boxed()).await.unwrap();
    load(1).await;
    load(2).await;
    let began = Instant::now();
    while began.elapsed() < 3 * ttl {
        load(1).await;
        tokio::time::sleep(ttl / 30).await;
    }
    assert!(room.peek(&2).await.is_none());
    // Its time is looked at every second or so.
    while room.figures().entries > 1 {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", room.figures());
        tokio::time::sleep(ttl / 30).await;
        load(1).await;
        room.sweep().await;
    }
    assert_eq!(room.figures().loads, 2, "the one that is used was never loaded again");
}

#[tokio::test]
async fn what_was_loaded_last_finds_room_and_what_was_used_least_makes_it() {
    let gone = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = gone.clone();
    let settings = RoomSettings { bytes: 3 * 1_000, ttl: Duration::from_secs(60) };
    let room = Room::watched("feeds", settings, Runs::FromUse, move |key: &u32| heard.lock().unwrap().push(*key));
    let text = "x".repeat(700);
    let load = async |key: u32| {
        room.get(&key, || async { Ok::<_, ()>(value(&text)) }.boxed()).await.unwrap();
        room.sweep().await;
    };
    for key in [1, 2, 3] {
        load(key).await;
    }
    for _ in 0..50 {
        load(1).await;
        load(3).await;
    }
    load(4).await;
    assert_eq!(*gone.lock().unwrap(), [2]);
    room.forget_where(|key| *key > 3);
    assert!(room.peek(&4).await.is_none() && room.peek(&3).await.is_some());
    room.sweep().await;
    assert_eq!(*gone.lock().unwrap(), [2, 4]);
    assert!(room.fits(2_800) && !room.fits(2_801));
}
