//! A board made of software, driven by its console.

use std::collections::VecDeque;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use transom_tests_e2e::{Program, StateDir};

use crate::Pins;

/// A loaded machine takes its time: five times what a quiet one needs.
const BOOT: Duration = Duration::from_secs(90);

/// A whole Debian, on a processor that is emulated.
const BOOT_DEBIAN: Duration = Duration::from_secs(400);

/// The host, as the board sees it.
pub const HOST: &str = "10.0.2.2";

/// A kind of board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// qemu's own: a network, a camera, a sound card.
    Virt,
    /// A Raspberry Pi 3: its header, and no network.
    RaspberryPi,
}

/// A board that runs until the value is dropped.
pub struct Board {
    /// What qemu itself has to say.
    qemu: Program,
    console: UnixStream,
    lines: Receiver<String>,
    last: VecDeque<String>,
    commands: u32,
    folder: StateDir,
}

/// What a command on the board said, and how it ended.
#[derive(Debug)]
pub struct Done {
    /// Its exit status.
    pub status: i32,
    /// Standard output and standard error.
    pub said: String,
}

impl Board {
    /// Boots one. Its image is in the folder that `TRANSOM_BOARD` names.
    pub fn boot(machine: Machine) -> Self {
        let image = env::var("TRANSOM_BOARD").unwrap_or_else(|_| {
            panic!("TRANSOM_BOARD is not set: `cargo xtask device` makes the board and runs this")
        });
        let image = PathBuf::from(image);
        let folder = StateDir::new();
        let mut qemu = Command::new("qemu-system-aarch64");
        match machine {
            Machine::Virt => qemu
                .args([
                    "-M",
                    "virt",
                    "-cpu",
                    "cortex-a72",
                    "-smp",
                    "2",
                    "-m",
                    "1024",
                ])
                .args(["-netdev", "user,id=net"])
                .args(["-device", "virtio-net-pci,netdev=net,romfile="])
                .args(["-append", "console=ttyAMA0 panic=-1 loglevel=1"]),
            // The chip's registers are open to programs, as a Pi's own kernel leaves them.
            Machine::RaspberryPi => qemu
                .args(["-M", "raspi3b", "-dtb"])
                .arg(image.join("raspberry-pi.dtb"))
                // The first port is Bluetooth's.
                .args(["-serial", "null"])
                .args([
                    "-append",
                    "console=ttyS1,115200 panic=-1 loglevel=1 iomem=relaxed",
                ]),
        };
        qemu.arg("-kernel")
            .arg(image.join("vmlinuz"))
            .arg("-initrd")
            .arg(image.join("initramfs"));
        Self::start_machine(qemu, folder, BOOT)
    }

    /// Boots a PC from a disk with a Debian on it whose console speaks as the other boards' do.
    pub fn boot_debian(disk: &Path, kernel: &Path, initrd: &Path) -> Self {
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-M", "q35", "-cpu", "max", "-smp", "2", "-m", "1024"])
            .args(["-nic", "user,model=virtio-net-pci"])
            .args([
                "-append",
                "root=/dev/vda rw console=ttyS0 panic=-1 quiet loglevel=1",
            ])
            .arg("-drive")
            .arg(format!("file={},format=raw,if=virtio", disk.display()))
            .arg("-kernel")
            .arg(kernel)
            .arg("-initrd")
            .arg(initrd);
        Self::start_machine(qemu, StateDir::new(), BOOT_DEBIAN)
    }

    fn start_machine(mut qemu: Command, folder: StateDir, within: Duration) -> Self {
        let (console, pins) = (folder.path().join("console"), folder.path().join("pins"));
        qemu.args(["-display", "none", "-no-reboot", "-monitor", "none"])
            .args([
                "-qtest",
                &format!("unix:{},server=on,wait=off", pins.display()),
            ])
            .args(["-qtest-log", "none"])
            // It waits for us before it starts.
            .args(["-serial", &format!("unix:{},server=on", console.display())]);
        let begun = Instant::now();
        let mut qemu = Program::start(qemu);
        let console = connect(&console, &mut qemu);
        let reader = console.try_clone().expect("another handle of the console");
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let mut board = Self {
            qemu,
            console,
            lines,
            last: VecDeque::new(),
            commands: 0,
            folder,
        };
        board.until(begun + within, "the board is ready", |line| {
            line.ends_with("board: ready").then_some(())
        });
        println!("booted in {:.1} s", begun.elapsed().as_secs_f64());
        board
    }

    /// What a Raspberry Pi does on its header, from now on.
    pub fn pins(&mut self) -> Pins {
        let socket = self.folder.path().join("pins");
        Pins::watch(connect(&socket, &mut self.qemu))
    }

    /// Runs a shell's command line on the board and waits for its end.
    pub fn run(&mut self, command: &str, within: Duration) -> Done {
        assert!(!command.contains('\n'), "one line: {command}");
        self.commands += 1;
        let number = self.commands;
        writeln!(self.console, "{number} {command}").expect("the console takes a line");
        let (said_mark, end_mark) = (
            format!("board: {number}: "),
            format!("board: {number} ended "),
        );
        let mut said = Vec::new();
        let status = self.until(Instant::now() + within, command, |line| {
            if let Some((_, line)) = line.split_once(&said_mark) {
                said.push(line.to_owned());
            }
            let (_, status) = line.split_once(&end_mark)?;
            Some(status.trim().parse().expect("a status"))
        });
        Done {
            status,
            said: said.join("\n"),
        }
    }

    /// Runs it again and again until it succeeds, and returns what it said then.
    pub fn wait_for(&mut self, command: &str, within: Duration) -> String {
        let deadline = Instant::now() + within;
        loop {
            let done = self.run(command, within);
            if done.status == 0 {
                return done.said;
            }
            assert!(
                Instant::now() < deadline,
                "not within {within:?}: {command}; on the console:\n{}",
                self.told()
            );
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Starts a program in the background; all that it says goes to `/tmp/NAME.log`.
    pub fn start(&mut self, name: &str, command: &str) {
        let done = self.run(
            &format!("{command} >/tmp/{name}.log 2>&1 & echo $! >/tmp/{name}.pid"),
            Duration::from_secs(20),
        );
        assert_eq!(done.status, 0, "{command}: {}", done.said);
    }

    /// Reads the console until `found` finds something.
    fn until<T>(
        &mut self,
        deadline: Instant,
        what: &str,
        mut found: impl FnMut(&str) -> Option<T>,
    ) -> T {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let result = found(&line);
                    self.last.push_back(line);
                    if self.last.len() > 60 {
                        self.last.pop_front();
                    }
                    if let Some(result) = result {
                        return result;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("too late: {what}; on the console:\n{}", self.told())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the board ended: {what}; on the console:\n{}", self.told())
                }
            }
        }
    }

    fn told(&self) -> String {
        let console: Vec<&str> = self.last.iter().map(String::as_str).collect();
        format!("{}\n{}", console.join("\n"), self.qemu.lines().join("\n"))
    }
}

fn connect(console: &Path, qemu: &mut Program) -> UnixStream {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match UnixStream::connect(console) {
            Ok(stream) => return stream,
            Err(error) => assert!(
                qemu.runs() && Instant::now() < deadline,
                "no console ({error}); qemu said:\n{}",
                qemu.lines().join("\n")
            ),
        }
        thread::sleep(Duration::from_millis(20));
    }
}
