//! The virtual board's kernel and file system: Debian's own kernel and libraries, our programs.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cross::{self, Debian, PROGRAMS, Target};
use crate::device::initramfs::Initramfs;
use crate::device::kbuild::Kernel;
use crate::device::{codec, loopback};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::step;
use crate::sysroot::Sysroot;
use crate::workspace::{self, Profile};

/// What depends on the kernel of the day.
const KERNEL: &str = "linux-image-arm64";

/// What the board has beside its libraries.
const PACKAGES: &[&str] = &[
    "alsa-utils",
    "busybox-static",
    // `tc`, which makes the network a bad one, and what it needs.
    "iproute2",
    "libbpf1",
    "libbsd0",
    "libcap2",
    "libmd0",
    "libmnl0",
    "libxtables12",
    "zlib1g",
];

/// The library among them whose name tells how wide its time is.
const ELF: (&str, &str) = ("iproute2", "libelf1");

/// Libraries of the programs, of `tc` and theirs, and the dynamic linker.
const LIBRARIES: &[&str] = &[
    "libasound.so.2",
    "libbpf.so.1",
    "libbsd.so.0",
    "libc.so.6",
    "libcap.so.2",
    "libdl.so.2",
    "libelf.so.1",
    "libgcc_s.so.1",
    "libm.so.6",
    "libmd.so.0",
    "libmnl.so.0",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "libxtables.so.12",
    "libz.so.1",
];
const LINKER: &str = "lib/ld-linux-aarch64.so.1";

/// The device tree of a Raspberry Pi, of the kernel's own.
const RASPBERRY_PI: &str = "broadcom/bcm2837-rpi-3-b.dtb";

/// Kernel modules and their options: a network that can be made a bad one, a camera that shows colour bars,
/// a sound card.
const MODULES: &[(&str, &str)] = &[
    ("virtio_mmio", ""),
    ("virtio_pci", ""),
    ("virtio_net", ""),
    // One device that captures, by its webcam input.
    (
        "vivid",
        "n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0",
    ),
    ("snd_aloop", ""),
    // A speaker on USB.
    ("xhci_pci", ""),
    ("snd_usb_audio", ""),
    // What v4l2loopback and vicodec need; they are not of the kernel as Debian has it.
    ("videodev", ""),
    ("v4l2_mem2mem", ""),
    ("videobuf2_vmalloc", ""),
    // Delays and loses what is sent, once it is told to.
    ("sch_netem", ""),
];

/// Installs and fetches what the image is made of; returns the packages and the kernel's release.
pub(crate) fn ready(
    target: &Target,
    debian: &Debian,
    consent: Consent,
) -> Result<(Sysroot, String), Failure> {
    needs::debian(needs::BOARD, consent)?;
    cross::ready(target, consent)?;
    let sysroot = cross::libraries(debian)?;
    let kernel = sysroot.dependency(KERNEL, "linux-image-")?;
    let mut packages = PACKAGES.to_vec();
    packages.push(&kernel);
    let elf = sysroot.dependency(ELF.0, ELF.1)?;
    packages.push(&elf);
    sysroot.hold(&packages)?;
    let release = kernel.trim_start_matches("linux-image-").to_owned();
    let kernel = Kernel {
        sysroot: &sysroot,
        release: &release,
    };
    kernel.ready()?;
    loopback::ready(&kernel)?;
    codec::ready(&kernel)?;
    Ok((sysroot, release))
}

/// Makes the image with the programs built by `profile`, and returns its folder: `vmlinuz`, `initramfs`,
/// `raspberry-pi.dtb`.
pub(crate) fn image(
    target: &Target,
    debian: &Debian,
    profile: Profile,
    consent: Consent,
) -> Result<PathBuf, Failure> {
    let (sysroot, release) = ready(target, debian, consent)?;
    let programs = cross::build(target, profile, false, consent)?;
    cross::build_tools(target, debian)?;
    let tools = workspace::target()
        .join(target.triple)
        .join(Profile::Dev.folder());

    let mut folder = workspace::target().join("device");
    if profile != Profile::Dev {
        folder = folder.join(profile.folder());
    }
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    let root = sysroot.root();
    let kernel = root.join("boot").join(format!("vmlinuz-{release}"));
    let tree = root
        .join("usr/lib")
        .join(format!("linux-image-{release}"))
        .join(RASPBERRY_PI);
    for (from, name) in [(kernel, "vmlinuz"), (tree, "raspberry-pi.dtb")] {
        fs::copy(&from, folder.join(name)).map_err(Failure::io(from.display()))?;
    }
    let mut modules = modules(&sysroot, &release)?;
    let kernel = Kernel {
        sysroot: &sysroot,
        release: &release,
    };
    modules.push(Module {
        name: "v4l2loopback".to_owned(),
        options: loopback::OPTIONS,
        path: loopback::build(&kernel, debian)?,
    });
    let codec = codec::build(&kernel, debian)?;
    let programs = PROGRAMS.map(|name| programs.join(name));
    let tools = cross::TOOLS.map(|name| tools.join(name));
    let all = programs.iter().chain(&tools);
    let stripped = stripped(debian, all, &folder.join("bin"))?;
    let path = folder.join("initramfs");
    fill(&path, &root, debian, &modules, &codec, &stripped).map_err(Failure::io(path.display()))?;
    Ok(folder)
}

fn fill(
    path: &Path,
    root: &Path,
    debian: &Debian,
    modules: &[Module],
    codec: &Path,
    programs: &[PathBuf],
) -> std::io::Result<()> {
    let mut archive = Initramfs::new(BufWriter::new(File::create(path)?));
    for folder in ["bin", "dev", "etc", "modules", "proc", "sys", "tmp"] {
        archive.folder(folder)?;
    }
    let init = workspace::root()
        .join("tests")
        .join("device")
        .join("board")
        .join("init");
    archive.copy("init", &init)?;
    archive.copy("bin/busybox", &root.join("bin").join("busybox"))?;
    archive.copy(LINKER, &root.join(LINKER))?;
    archive.copy("bin/speaker-test", &root.join("bin/speaker-test"))?;
    // ALSA knows what a device's name means by its files.
    for file in files_below(&root.join("usr/share/alsa"))? {
        if let Ok(path) = file.strip_prefix(root) {
            archive.copy(&path.display().to_string(), &file)?;
        }
    }
    for library in LIBRARIES {
        let path = format!("lib/{}/{library}", debian.multiarch);
        archive.copy(&path, &root.join(&path))?;
    }
    // Busybox has one of its own in /bin, which knows no bad networks.
    archive.copy("sbin/tc", &root.join("sbin/tc"))?;
    for (n, module) in modules.iter().enumerate() {
        // In the order of their needs, which the names keep.
        let name = format!("modules/{n:03}-{}", module.name);
        archive.file(&format!("{name}.ko"), &module.code()?)?;
        if !module.options.is_empty() {
            archive.file(&format!("{name}.options"), module.options.as_bytes())?;
        }
    }
    // Not with the others: a board that has an encoder uses it.
    archive.copy("modules/later/vicodec.ko", codec)?;
    for program in programs {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        archive.copy(&format!("bin/{name}"), program)?;
    }
    archive.finish().map(drop)
}

fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => folders.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    Ok(files)
}

/// A kernel module.
struct Module {
    name: String,
    options: &'static str,
    path: PathBuf,
}

impl Module {
    /// As the kernel takes it: newer Debians pack them.
    fn code(&self) -> std::io::Result<Vec<u8>> {
        if self.path.extension().is_none_or(|kind| kind != "xz") {
            return fs::read(&self.path);
        }
        let unpacked = Command::new("xz").args(["-dc"]).arg(&self.path).output()?;
        match unpacked.status.success() {
            true => Ok(unpacked.stdout),
            false => Err(std::io::Error::other("xz cannot unpack it")),
        }
    }
}

/// The modules and those that they need, the needed ones first.
fn modules(sysroot: &Sysroot, release: &str) -> Result<Vec<Module>, Failure> {
    let root = sysroot.root();
    let mut depmod = Command::new(kmod("depmod"));
    depmod.arg("-b").arg(&root).arg(release);
    step::run("depmod", depmod)?;
    let mut modules: Vec<Module> = Vec::new();
    for (name, options) in MODULES {
        let mut show = Command::new(kmod("modprobe"));
        show.arg("-d").arg(&root);
        show.args(["-S", release, "--show-depends", name]);
        let shown = step::output(&mut show)
            .ok_or_else(|| Failure::new(format!("the kernel {release} has no module {name}")))?;
        // `insmod PATH OPTIONS`, or `builtin NAME`.
        let paths = shown
            .lines()
            .filter_map(|line| line.strip_prefix("insmod ")?.split_whitespace().next());
        for path in paths.map(PathBuf::from) {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let file = file.split('.').next().unwrap_or_default().to_owned();
            if modules.iter().all(|module| module.path != path) {
                let itself = file.replace('-', "_") == *name;
                modules.push(Module {
                    name: file,
                    options: if itself { options } else { "" },
                    path,
                });
            }
        }
    }
    Ok(modules)
}

/// kmod's tools are in a folder that not every user has in the path.
fn kmod(tool: &str) -> PathBuf {
    match needs::in_path(tool) {
        true => PathBuf::from(tool),
        false => Path::new("/sbin").join(tool),
    }
}

/// The programs without symbols: a tenth of the size.
fn stripped<'a>(
    debian: &Debian,
    programs: impl Iterator<Item = &'a PathBuf>,
    folder: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    fs::create_dir_all(folder).map_err(Failure::io(folder.display()))?;
    let mut all = Vec::new();
    for program in programs {
        let to = folder.join(program.file_name().unwrap_or_default());
        let mut strip = Command::new(format!("{}-strip", debian.multiarch));
        strip.arg("-o").arg(&to).arg(program);
        step::run("strip", strip)?;
        all.push(to);
    }
    Ok(all)
}
