//! The foreign proof: real servers and clients that nobody here wrote.

mod attacks;
mod both_ways;
mod certificates;
mod components;
mod contacts;
mod dialback;
mod direct_tls;
mod discovery;
mod domain;
mod ejabberd;
mod hostile;
mod inner;
mod killed_partner;
mod live;
mod presence;
mod probe;
mod programs;
mod published;
mod reaching;
mod refusals;
mod restart;
mod rows;
mod sipp;
mod start;
mod trunks;
mod world;
