//! A board made of software, driven by its console.

use std::collections::VecDeque;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use transom_tests_e2e::{Program, StateDir};

use crate::Speaker;
use crate::pins::{self, Pins};

/// A loaded machine takes its time: five times what a quiet one needs.
const BOOT: Duration = Duration::from_secs(90);

/// A whole Debian, on a processor that is emulated.
const BOOT_DEBIAN: Duration = Duration::from_secs(400);

/// The host, as the board sees it.
pub const HOST: &str = "10.0.2.2";

/// A kind of board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// qemu's own: a network, a camera, a sound card, a speaker on USB.
    Virt,
    /// A Raspberry Pi 3: its header, and no network.
    RaspberryPi,
}

/// A board that runs until the value is dropped.
pub struct Board {
    /// None is a PC.
    machine: Option<Machine>,
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
        let heard = folder.path().join("heard.wav");
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
                .args(["-device", "qemu-xhci"])
                .args(["-device", "usb-audio,id=speaker,audiodev=heard"])
                .arg("-audiodev")
                .arg(format!(
                    "wav,id=heard,path={},out.frequency={}",
                    heard.display(),
                    crate::RATE
                ))
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
        Self::start_machine(Some(machine), qemu, folder, BOOT)
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
        Self::start_machine(None, qemu, StateDir::new(), BOOT_DEBIAN)
    }

    fn start_machine(
        machine: Option<Machine>,
        mut qemu: Command,
        folder: StateDir,
        within: Duration,
    ) -> Self {
        let place = |name: &str| folder.path().join(name);
        let (console, pins, monitor) = (place("console"), place("pins"), place("monitor"));
        qemu.args(["-display", "none", "-no-reboot"])
            .args([
                "-monitor",
                &format!("unix:{},server=on,wait=off", monitor.display()),
            ])
            .args([
                "-qtest",
                &format!("unix:{},server=on,wait=off", pins.display()),
            ])
            .args(["-qtest-log", "none"])
            .args([
                "-qmp",
                &format!(
                    "unix:{},server=on,wait=off",
                    folder.path().join("qmp").display()
                ),
            ])
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
            machine,
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

    /// What the board does on its GPIO lines from now on; they can be driven from outside, too.
    pub fn pins(&mut self) -> Pins {
        let socket = |name: &str| self.folder.path().join(name);
        let (pins, qmp) = (socket("pins"), socket("qmp"));
        let chip = match self.machine {
            Some(Machine::RaspberryPi) => "/machine/soc/peripherals/gpio".to_owned(),
            Some(Machine::Virt) => pins::chip(connect(&qmp, &mut self.qemu), "pl061"),
            None => panic!("a PC has no such lines"),
        };
        Pins::watch(connect(&pins, &mut self.qemu), chip)
    }

    /// The virtual board's speaker.
    pub fn speaker(&mut self) -> Speaker {
        let monitor = connect(&self.folder.path().join("monitor"), &mut self.qemu);
        Speaker::new(self.folder.path().join("heard.wav"), monitor)
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

    /// Writes a file on a board that has a network.
    pub fn send(&mut self, path: &str, contents: &[u8]) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let contents = contents.to_vec();
        let sending = thread::spawn(move || {
            let (mut board, _) = listener.accept().expect("the board");
            board.write_all(&contents).expect("the board takes it");
        });
        let taken = self.run(
            &format!("nc {HOST} {port} >{path}"),
            Duration::from_secs(60),
        );
        assert_eq!(taken.status, 0, "{}", taken.said);
        sending.join().expect("all was sent");
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
