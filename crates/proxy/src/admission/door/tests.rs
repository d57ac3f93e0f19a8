use std::time::Duration;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A door with limits that a test can reach.
struct Scene {
    door: Arc<Door>,
    limits: (u64, u64),
    now: Instant,
}

impl Scene {
    fn new(limit: u64, limit_per_address: u64) -> Self {
        Self { door: Arc::default(), limits: (limit, limit_per_address), now: Instant::now() }
    }

    fn come(&self, address: &str) -> Result<HalfOpen, Crowded> {
        self.door.admit(ip(address), self.limits, self.now)
    }

    fn held(&self) -> usize {
        let inside = self.door.inside();
        inside.strangers.len() + inside.acquaintances.len()
    }

    fn refused(&self, why: Crowded) -> u64 {
        self.door.refused().find(|(word, _)| *word == why.as_str()).unwrap().1
    }
}

fn is_displaced(place: &HalfOpen) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::pin!(place.displaced()).poll(&mut context).is_ready()
}

#[test]
fn half_open_connections_are_limited_by_address() {
    let scene = Scene::new(10, 2);
    let first = scene.come("192.0.2.1").unwrap();
    let _second = scene.come("::ffff:192.0.2.1").unwrap();
    assert_eq!(scene.come("192.0.2.1").unwrap_err(), Crowded::Address);
    let _third = scene.come("2001:db8::1").unwrap();
    let _fourth = scene.come("2001:db8::2:1").unwrap();
    assert_eq!(scene.come("2001:db8::3").unwrap_err(), Crowded::Address);
    drop(first);
    scene.come("192.0.2.1").unwrap();
    assert_eq!(scene.refused(Crowded::Address), 2);
}

#[test]
fn at_the_total_limit_the_network_that_holds_the_most_makes_room() {
    let scene = Scene::new(4, 3);
    let villain: Vec<_> = (0..3).map(|_| scene.come("192.0.2.1").unwrap()).collect();
    let honest = scene.come("198.51.100.1").unwrap();
    let newcomer = scene.come("203.0.113.1").unwrap();
    assert_eq!(villain.iter().map(is_displaced).collect::<Vec<_>>(), [true, false, false], "the oldest goes");
    let another = scene.come("203.0.113.200").unwrap();
    assert!(!is_displaced(&honest) && !is_displaced(&newcomer));
    // Now the neighbours hold two, the villain one and the honest one: who holds as much as the most gets no more.
    assert_eq!(scene.come("203.0.113.1").unwrap_err(), Crowded::Total);
    assert_eq!((scene.held(), scene.refused(Crowded::Displaced), scene.refused(Crowded::Total)), (4, 2, 1));
    drop((villain, honest, newcomer));
    assert_eq!(scene.held(), 1);
    drop(another);
    assert_eq!(scene.held(), 0);
}

/// Many addresses side by side are one neighbourhood.
#[test]
fn a_villain_with_many_addresses_makes_room_too() {
    let scene = Scene::new(100, 3);
    let villain: Vec<_> = (0..100).map(|host| scene.come(&format!("192.0.2.{host}")).unwrap()).collect();
    assert_eq!(scene.come("192.0.2.200").map(drop), Ok(()), "its neighbours' oldest goes");
    let honest: Vec<_> = (0..3).map(|_| scene.come("198.51.100.1").unwrap()).collect();
    assert!(honest.iter().all(|place| !is_displaced(place)));
    assert_eq!(villain.iter().filter(|place| is_displaced(place)).count(), 3);
    for host in 0..255 {
        let _ = scene.come(&format!("192.0.2.{host}"));
    }
    assert!(honest.iter().all(|place| !is_displaced(place)));
}

#[test]
fn known_networks_come_first() {
    let scene = Scene::new(2, 2);
    scene.door.know(ip("198.51.100.1"));
    let partner = scene.come("198.51.100.1").unwrap();
    let stranger = scene.come("192.0.2.1").unwrap();
    let _more_of_the_partner = scene.come("198.51.100.1").unwrap();
    assert!(is_displaced(&stranger) && !is_displaced(&partner));
    assert_eq!(scene.come("203.0.113.1").unwrap_err(), Crowded::Total, "a stranger displaces no partner");
}

#[test]
fn who_is_authorised_is_known_from_then_on_and_is_not_displaced_any_more() {
    let scene = Scene::new(2, 2);
    let partner = scene.come("198.51.100.1").unwrap();
    let stranger = scene.come("192.0.2.1").unwrap();
    // The signal comes, and the pair is authorised before it is heard.
    let _newcomer = scene.come("203.0.113.1").unwrap();
    partner.authorised();
    assert!(!is_displaced(&partner));
    partner.authorised();
    assert_eq!(scene.held(), 2);
    let _again = scene.come("198.51.100.1").unwrap();
    assert!(is_displaced(&stranger));
}

#[test]
fn an_address_that_keeps_failing_is_slowed_and_one_that_succeeds_is_not() {
    let mut scene = Scene::new(1000, 1000);
    let served = |scene: &Scene, address: &str| (0..200).filter(|_| scene.come(address).is_ok()).count();
    assert_eq!(served(&scene, "192.0.2.1"), 64);
    assert_eq!(scene.come("192.0.2.1").unwrap_err(), Crowded::Rate);
    assert_eq!(served(&scene, "2001:db8::1"), 64);
    assert_eq!(scene.come("2001:db8::2:2").unwrap_err(), Crowded::Rate, "one customer of IPv6");
    for _ in 0..1000 {
        scene.come("198.51.100.1").unwrap().authorised();
        scene.come("203.0.113.1").unwrap().proved();
    }
    assert_eq!(scene.refused(Crowded::Rate), 2 * 136 + 2);
    scene.now += Duration::from_secs(1);
    assert_eq!(served(&scene, "192.0.2.1"), 8);
}

/// One connection puts back what it took, and no more.
#[test]
fn a_connection_that_proves_itself_often_makes_no_room_for_failures() {
    let scene = Scene::new(1000, 1000);
    let honest = scene.come("192.0.2.1").unwrap();
    (0..10).for_each(|_| honest.proved());
    honest.authorised();
    scene.door.inside().known = Known::default();
    assert_eq!((0..200).filter(|_| scene.come("192.0.2.1").is_ok()).count(), 64);
}
