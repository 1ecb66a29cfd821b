//! The packages in a fresh Debian: installed, upgraded, purged; and booted, with systemd starting what
//! is in them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use transom_tests_device::{Board, Root, debs};

const SOON: Duration = Duration::from_secs(240);
/// The watchdog's time, that of ending what hangs, and of starting again, on an emulated processor.
const RECOVERY: Duration = Duration::from_secs(300);

const WANTED: &str = "/etc/systemd/system/multi-user.target.wants";

#[test]
fn installed_upgraded_and_purged() {
    let root = Root::fresh();
    let ours = debs("TRANSOM_PACKAGES");
    // What they depend on stays when they go, as with any package.
    let depends: Vec<String> = ours.iter().map(|deb| deb.field("Depends")).collect();
    let depends = depends.join(", ");
    let names: Vec<&str> = depends
        .split(", ")
        .filter_map(|one| one.split([' ', '|']).next())
        .collect();
    root.run(&format!(
        "apt-get -q --yes --no-install-recommends install {}",
        names.join(" ")
    ));
    let before = root.inventory();

    root.install(&ours);
    for name in ["transom-agent", "transom-sfu"] {
        root.run(&format!("{name} --version"));
        root.run(&format!("test -L {WANTED}/{name}.service"));
        root.run(&format!("id {name}"));
        assert_eq!(
            root.run(&format!("stat -c '%a %U %G' /etc/transom/{name}.toml"))
                .trim(),
            format!("640 root {name}")
        );
        root.run(&format!("runuser -u {name} -- {name} --check-config"));
        root.run(&format!(
            "systemd-analyze verify --man=no /usr/lib/systemd/system/{name}.service"
        ));
        root.run(&format!("dpkg --verify {name}"));
    }
    // As the guide has the doctor run: by the user, with what the unit gives the service.
    let unit = root
        .run("sed -n 's/^SupplementaryGroups=//p' /usr/lib/systemd/system/transom-agent.service");
    let groups = root.run("id -Gn transom-agent");
    for group in unit.split_whitespace() {
        assert!(groups.split_whitespace().any(|its| its == group), "{group}");
    }
    assert!(unit.contains("video") && unit.contains("i2c"), "{unit}");
    let stranger = root.try_to("runuser -u nobody -- cat /etc/transom/transom-agent.toml");
    assert!(!stranger.status.success(), "anybody reads it");

    // As a first start leaves it, and a person; on ports that nobody else has.
    root.run(
        "install -d -o transom-sfu -g transom-sfu -m 700 /var/lib/transom-sfu && \
         cd /var/lib/transom-sfu && \
         (timeout 5 runuser -u transom-sfu -- transom-sfu --config /dev/null \
          --state-dir /var/lib/transom-sfu --http 127.0.0.1:0 --udp-port 0 || test $? = 124) && \
         test -s secrets.toml && test -s publish-token",
    );
    root.run(
        "install -d -o transom-agent -m 700 /var/lib/transom-agent && touch /var/lib/transom-agent/x",
    );
    root.run("transom-sfu link");
    root.run("echo '# mine' >>/etc/transom/transom-agent.toml; cp -a /var/lib/transom-sfu/secrets.toml /root/kept");
    root.run("systemctl disable transom-sfu");

    root.install(&debs("TRANSOM_PACKAGES_NEXT"));
    let versions = root.run("dpkg-query -W -f '${Version}\\n' transom-agent transom-sfu");
    assert_eq!(versions.matches("-2\n").count(), 2, "{versions}");
    root.run("tail -n 1 /etc/transom/transom-agent.toml | grep -x '# mine'");
    root.run("cmp /root/kept /var/lib/transom-sfu/secrets.toml && rm /root/kept");
    assert_eq!(
        root.run("stat -c '%a %U %G' /etc/transom/transom-agent.toml")
            .trim(),
        "640 root transom-agent"
    );
    root.run(&format!("test -L {WANTED}/transom-agent.service"));
    root.run(&format!("! test -e {WANTED}/transom-sfu.service"));

    root.run("apt-get -q --yes remove transom-agent transom-sfu");
    root.run(
        "test -s /etc/transom/transom-agent.toml && test -s /var/lib/transom-sfu/secrets.toml",
    );
    root.run("apt-get -q --yes purge transom-agent transom-sfu");
    let after = root.inventory();
    let more: Vec<&String> = after
        .iter()
        .filter(|line| !before.contains(line))
        // Other packages may use them by now; Raspberry Pi OS has them from the start.
        .filter(|line| !line.starts_with("line of group: gpio:"))
        .filter(|line| !line.starts_with("line of group: i2c:"))
        .collect();
    assert!(more.is_empty(), "left behind: {more:#?}");
    let less: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
    assert!(less.is_empty(), "gone as well: {less:#?}");
}

/// Lines of a console do what they say, as on the other boards.
const CONSOLE: &str = "#!/bin/sh
stty -echo
echo 'board: ready'
while read -r number command; do
    sh -c \"$command\" </dev/null >/run/said 2>&1
    status=$?
    sed \"s/^/board: $number: /\" /run/said
    echo \"board: $number ended $status\"
done
";

const CONSOLE_UNIT: &str = "[Unit]
Description=The test's way in
[Service]
ExecStart=/usr/local/sbin/board-console
StandardInput=tty
StandardOutput=tty
TTYPath=/dev/ttyS0
[Install]
WantedBy=multi-user.target
";

/// What a person does by hand: the link for agents, from the server's machine into the configuration.
const PAIR: &str = r#"set -e
link=$(transom-sfu link | sed -n "s/^Publish: .*TRANSOM_AGENT_WHIP='\(https[^']*\)'.*/\1/p" | head -n 1)
escaped=$(echo "$link" | sed 's/&/\\&/g')
file=/etc/transom/transom-agent.toml
sed -i "s|^whip = .*|whip = \"$escaped\"|" $file
grep -c '^whip = .https://10.0.2.15:8443/whip/door#token=.*&fp=sha256:' $file
systemctl restart transom-agent
"#;

fn bootable() -> Root {
    let root = Root::fresh();
    root.install(&debs("TRANSOM_PACKAGES"));
    let console = root.path().join("usr/local/sbin/board-console");
    fs::write(&console, CONSOLE).expect("written");
    fs::set_permissions(&console, fs::Permissions::from_mode(0o755)).expect("a program");
    let unit = root.path().join("etc/systemd/system/board-console.service");
    fs::write(unit, CONSOLE_UNIT).expect("written");
    let network = root.path().join("etc/systemd/network/50-test.network");
    fs::write(network, "[Match]\nName=en*\n[Network]\nDHCP=yes\n").expect("written");
    root.run("systemctl enable board-console systemd-networkd; systemctl mask serial-getty@ttyS0");
    fs::write(root.path().join("root/pair"), PAIR).expect("written");
    // A robot made of software, so that the actuator runs, and pictures that an emulated processor can
    // encode beside everything else; the rest is as it was installed.
    root.run(
        "sed -i 's/^#board = \"none\"/board = \"sim\"/; s/^#size = .*/size = \"320x180\"/; \
         s/^#fps = .*/fps = 5/' /etc/transom/transom-agent.toml && \
         grep -cxE 'board = \"sim\"|size = \"320x180\"|fps = 5' /etc/transom/transom-agent.toml | grep -x 3",
    );
    root
}

/// Waits until the agent says so.
fn publishing(board: &mut Board, within: Duration) {
    let ask = "systemctl show -P StatusText transom-agent | grep -x publishing";
    board.wait_for(ask, within);
}

fn restarts(board: &mut Board, unit: &str) -> u32 {
    let told = board.run(&format!("systemctl show -P NRestarts {unit}"), SOON);
    told.said.trim().parse().expect("a number")
}

#[test]
fn systemd_starts_both_and_they_publish() {
    let root = bootable();
    let disk = root.disk(2500);
    let (kernel, initrd) = (root.boot_file("vmlinuz-"), root.boot_file("initrd.img-"));
    let mut board = Board::boot_debian(&disk, &kernel, &initrd);

    board.wait_for("systemctl is-active transom-sfu transom-agent", SOON);
    publishing(&mut board, SOON);
    let status = board.run(
        "systemctl status --no-pager --lines 20 transom-agent transom-sfu",
        SOON,
    );
    println!("{}", status.said);
    assert_eq!(status.said.matches("active (running)").count(), 2);

    // Real-time and locked memory were granted: the actuator says so where they are not.
    let log = board
        .run(
            "journalctl --no-pager -o cat -u transom-agent -u transom-sfu",
            SOON,
        )
        .said;
    println!("{log}");
    assert!(log.contains("actuator: started"), "{log}");
    assert!(
        !log.contains("LimitMEMLOCK") && !log.contains("LimitRTPRIO"),
        "{log}"
    );
    // And when memory runs short the kernel takes the main process first.
    // Asked again: one that hung on a processor this slow was killed, and another has its place.
    let adjustments = "main=$(systemctl show -P MainPID transom-agent); \
         for process in $(cat /sys/fs/cgroup/system.slice/transom-agent.service/cgroup.procs); do \
         test $process = $main && echo main || echo actuator; \
         cat /proc/$process/oom_score_adj; done | xargs";
    let adjusted = format!("{adjustments} | grep -xE 'main 0 actuator -1000'");
    board.wait_for(&adjusted, SOON);
    assert!(
        log.contains("transom-sfu link"),
        "the journal tells how to get the link"
    );

    // No token in the journal, which others may read; root gets the links.
    let done = board.run(
        "journalctl --no-pager | grep -qF -f /var/lib/transom-sfu/publish-token",
        SOON,
    );
    assert_eq!(done.status, 1, "a token is in the journal");
    let links = board.run("cd / && transom-sfu link", SOON);
    println!("{}", links.said);
    assert!(links.status == 0 && links.said.contains("/#token="));
    assert!(links.said.contains("https://10.0.2.15:8443/#token="));
    let modes = board
        .run(
            "stat -c '%a %U %n' /var/lib/transom-sfu /var/lib/transom-sfu/*",
            SOON,
        )
        .said;
    println!("{modes}");
    assert!(modes.contains("700 transom-sfu /var/lib/transom-sfu\n"));
    assert!(modes.contains("600 transom-sfu /var/lib/transom-sfu/secrets.toml"));

    // The picture arrives: the server counts its packets.
    let ask = "bash -c 'exec 3<>/dev/tcp/127.0.0.1/7080; printf \"GET /api/streams HTTP/1.1\\r\\n\
               Host: x\\r\\nConnection: close\\r\\nAuthorization: Bearer \
               $(sed -n \"s/^watch = .\\(.*\\).$/\\1/p\" /var/lib/transom-sfu/secrets.toml)\\r\\n\\r\\n\" >&3; cat <&3'";
    let streams = board.wait_for(&format!("{ask} | grep -E '\"key_frames\": ?[1-9]'"), SOON);
    println!("{streams}");

    // As the guide says it, and so with the token that systemd handed over. What is too slow here is the
    // emulated processor.
    for program in ["transom-agent", "transom-sfu"] {
        let ask = format!("cd / && runuser -u {program} -- {program} doctor");
        let told = board.run(&ask, SOON).said;
        println!("{told}");
        let wrong = told.lines().filter(|line| line.starts_with("FAIL"));
        let wrong: Vec<&str> = wrong.filter(|line| !line.contains("too slow")).collect();
        assert!(
            wrong.is_empty() && told.contains("ok    config"),
            "{wrong:?}"
        );
    }

    // A camera and a sound card that come later are let through to the agent, and no other device.
    let devices = "modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0 && \
                   modprobe snd-aloop && udevadm settle && ls -l /dev/video0 /dev/snd/";
    println!("{}", board.run(devices, SOON).said);
    // So is the machine's own I2C bus, of which no chip answers: the unit loads what gives it a device.
    let bus = board.run("stat -c '%a %U %G %n' /dev/i2c-0", SOON).said;
    assert_eq!(bus.trim(), "660 root i2c /dev/i2c-0");
    board.run(
        "echo 'outputs = \"sim\"' >/etc/transom/board.toml; \
         echo 'battery = { ina219 = { bus = 0, address = 0x40 } }' >>/etc/transom/board.toml",
        SOON,
    );
    board.run(
        "sed -i 's|^source = .test.|source = \"v4l2:/dev/video0\"|; \
         s|^source = .none.|source = \"alsa:plughw:CARD=Loopback,DEV=1\"|; \
         s|^board = .*|board = \"/etc/transom/board.toml\"|' /etc/transom/transom-agent.toml && \
         systemctl restart transom-agent",
        SOON,
    );
    board.wait_for(
        "journalctl --no-pager -u transom-agent | grep 'camera opened'",
        SOON,
    );
    // The doctor looks at it as well.
    let ask = "for f in /dev/video0 /dev/snd/timer /dev/i2c-0; do \
               runuser -u transom-agent -- test -r $f -a -w $f || echo $f; done";
    assert_eq!(board.run(ask, SOON).said, "");
    publishing(&mut board, SOON);
    let asked = "journalctl --no-pager -u transom-agent | grep 'no voltage by /dev/i2c-0 at 0x40'";
    let told = board.wait_for(asked, SOON);
    assert!(told.contains("check the wiring"), "{told}");
    let log = board
        .run("journalctl --no-pager -o cat -n 20 -u transom-agent", SOON)
        .said;
    println!("{log}");
    assert!(
        !log.contains("ermission denied") && !log.contains("not permitted"),
        "{log}"
    );

    // New tokens, as the guide says: the agent gets the new one.
    let renew = "cp /var/lib/transom-sfu/publish-token /root/old && \
                 rm /var/lib/transom-sfu/secrets.toml && \
                 systemctl restart transom-sfu transom-agent && \
                 ! cmp -s /root/old /var/lib/transom-sfu/publish-token";
    assert_eq!(board.run(renew, SOON).status, 0);
    publishing(&mut board, SOON);

    // Paired by the link, as with a server elsewhere: HTTPS, its certificate known by its fingerprint.
    let paired = board.run("cd / && sh /root/pair", SOON);
    assert_eq!(paired.status, 0, "{}", paired.said);
    publishing(&mut board, SOON);

    // Who hangs is started again, and they find each other again.
    for unit in ["transom-agent", "transom-sfu"] {
        let before = restarts(&mut board, unit);
        let pid = format!("$(systemctl show -P MainPID {unit})");
        assert_eq!(board.run(&format!("kill -STOP {pid}"), SOON).status, 0);
        board.wait_for(
            &format!("test $(systemctl show -P NRestarts {unit}) -gt {before}"),
            RECOVERY,
        );
        board.wait_for(&format!("systemctl is-active {unit}"), RECOVERY);
        publishing(&mut board, RECOVERY);
        let told = board.run(
            &format!("journalctl --no-pager -o cat -u {unit} | grep -i watchdog"),
            SOON,
        );
        println!("{}", told.said);
        assert_eq!(told.status, 0, "not by the watchdog");
    }

    // And who is asked to end does so in order.
    let stop = "systemctl stop transom-agent transom-sfu";
    assert_eq!(board.run(stop, SOON).status, 0);
    for unit in ["transom-agent", "transom-sfu"] {
        let result = board
            .run(&format!("systemctl show -P Result {unit}"), SOON)
            .said;
        assert_eq!(result.trim(), "success", "{unit}");
    }
}
