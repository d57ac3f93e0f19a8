//! The foreign proof: real servers and clients that nobody here wrote.

mod both_ways;
mod components;
mod contacts;
mod direct_tls;
mod discovery;
mod domain;
mod ejabberd;
mod hostile;
mod killed_partner;
mod live;
mod programs;
mod refusals;
mod restart;
mod rows;
mod start;
mod villain;
mod world;
