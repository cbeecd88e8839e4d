#![allow(clippy::print_stdout, clippy::unwrap_used)]
use iot_sandbox::*;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
#[tokio::main]
async fn main() {
    for round in 0..3 {
        let t = Instant::now();
        let mut b = Broker::start(BrokerOptions::default()).await.unwrap();
        let t1 = t.elapsed();
        let mut conns = vec![];
        for n in 0..50u8 {
            let mut s = TcpStream::connect(b.addr()).await.unwrap();
            let id = format!("{:02}", n);
            s.write_all(format!("\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02{id}").as_bytes())
                .await
                .unwrap();
            s.read(&mut [0; 64]).await.unwrap();
            conns.push(s);
        }
        let t = Instant::now();
        b.stop().await;
        let t2 = t.elapsed();
        let t = Instant::now();
        b.restart().await.unwrap();
        let t3 = t.elapsed();
        let silent = TcpStream::connect(b.addr()).await.unwrap();
        let t = Instant::now();
        b.stop().await;
        println!(
            "{round} broker start {t1:?}, stop with 50 idle {t2:?}, restart {t3:?}, stop with a silent one {:?}",
            t.elapsed()
        );
        drop(silent);
        let t = Instant::now();
        let mut s = ObjectStore::start(StoreOptions::default()).await.unwrap();
        let t1 = t.elapsed();
        let t = Instant::now();
        s.stop().await;
        let t2 = t.elapsed();
        s.restart().await.unwrap();
        let c = reqwest(&s).await;
        let t = Instant::now();
        s.stop().await;
        println!("{round} store start {t1:?}, stop {t2:?}, stop with idle keep-alive {:?}", t.elapsed());
        drop(c);
        s.restart().await.unwrap();
        let silent = TcpStream::connect(s.addr()).await.unwrap();
        let t = Instant::now();
        s.stop().await;
        println!("{round} store stop with a silent one {:?}", t.elapsed());
        drop(silent);
    }
    let s = ObjectStore::start(StoreOptions::default()).await.unwrap();
    let bucket = mk(&s, s.addr()).await;
    let body = vec![7u8; 50_000];
    for (name, conc) in [("1", 1usize), ("8", 8)] {
        let t = Instant::now();
        let n = 2000 / conc * conc;
        let tasks: Vec<_> = (0..conc)
            .map(|c| {
                let b = bucket.clone();
                let body = body.clone();
                tokio::spawn(async move {
                    for i in 0..n / conc {
                        b.put_object(format!("{c}.{i}"), &body).await.unwrap();
                    }
                })
            })
            .collect();
        for t in tasks {
            t.await.unwrap()
        }
        println!("put 50 KB x{name}: {:.0}/s", n as f64 / t.elapsed().as_secs_f64());
        let t = Instant::now();
        let tasks: Vec<_> = (0..conc)
            .map(|c| {
                let b = bucket.clone();
                tokio::spawn(async move {
                    for i in 0..n / conc {
                        b.get_object(format!("{c}.{i}")).await.unwrap();
                    }
                })
            })
            .collect();
        for t in tasks {
            t.await.unwrap()
        }
        println!("get 50 KB x{name}: {:.0}/s", n as f64 / t.elapsed().as_secs_f64());
    }
    let p = Proxy::start(s.addr()).await.unwrap();
    let via = s3::Bucket::new("bbb", region(p.addr()), creds(&s)).unwrap().with_path_style();
    let t = Instant::now();
    for i in 0..2000 {
        via.get_object(format!("0.{}", i % 250)).await.unwrap();
    }
    println!("get 50 KB x1 through the proxy: {:.0}/s", 2000.0 / t.elapsed().as_secs_f64());
    let big = vec![1u8; 60 << 20];
    let t = Instant::now();
    via.put_object("big", &big).await.unwrap();
    println!("60 MiB through the proxy: {:.0} MiB/s", 60.0 / t.elapsed().as_secs_f64());
    let rss = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", rss.lines().find(|l| l.starts_with("VmHWM")).unwrap());
}
fn region(a: std::net::SocketAddr) -> s3::Region {
    s3::Region::Custom { region: "x".into(), endpoint: format!("http://{a}") }
}
fn creds(s: &ObjectStore) -> s3::creds::Credentials {
    s3::creds::Credentials::new(Some(s.access_key()), Some(s.secret_key()), None, None, None).unwrap()
}
async fn mk(s: &ObjectStore, a: std::net::SocketAddr) -> Box<s3::Bucket> {
    s3::Bucket::create_with_path_style("bbb", region(a), creds(s), s3::BucketConfiguration::default())
        .await
        .unwrap();
    s3::Bucket::new("bbb", region(a), creds(s)).unwrap().with_path_style()
}
async fn reqwest(s: &ObjectStore) -> Box<s3::Bucket> {
    let b = mk(s, s.addr()).await;
    b.put_object("k", b"x").await.unwrap();
    b
}
