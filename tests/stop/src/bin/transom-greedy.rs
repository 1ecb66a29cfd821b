//! Takes all the memory that there is, in a cgroup that limits it. See `memory.rs`.

fn main() {
    transom_tests_stop::be_greedy()
}
