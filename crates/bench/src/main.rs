mod chance;
mod generations;
mod product;
mod words;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let d = generations::ensure(std::path::Path::new(&a[1]), 200_000, 42).unwrap();
    eprintln!("{:?} {} {}", d.sizes, d.first_bytes, d.second_bytes);
}
