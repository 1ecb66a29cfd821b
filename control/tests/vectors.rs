//! The wire form against vectors that the page's twin is tested with too: `tests/data/control/vectors.json`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};
use transom_control::{
    AckResult, Axes, Command, CommandKind, Order, Report, ReportKind, State, StopReason,
};

fn vectors(list: &str) -> Vec<(String, Vec<u8>, Value)> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/data/control/vectors.json"
    );
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let rows = file[list].as_array().unwrap().clone();
    assert!(rows.len() > 10, "{list}");
    rows.into_iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            let told = match row.get("message") {
                Some(message) => message.clone(),
                None => row["error"].clone(),
            };
            (text("name"), unhex(&text("hex")), told)
        })
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn commands_are_read_and_written() {
    for (name, bytes, message) in vectors("commands") {
        let command = Command::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(command_as_json(&command), message, "{name}");
        assert_eq!(*command.emit(), *bytes, "{name}");
    }
}

#[test]
fn reports_are_read_and_written() {
    for (name, bytes, message) in vectors("reports") {
        let report = Report::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(report_as_json(&report), message, "{name}");
        assert_eq!(*report.emit(), *bytes, "{name}");
    }
}

#[test]
fn what_is_no_message_is_refused_by_name() {
    for (name, bytes, error) in vectors("refused_commands") {
        let refused = Command::parse(&bytes).expect_err(&name);
        assert_eq!(json!(refused.name()), error, "{name}: {refused}");
    }
    for (name, bytes, error) in vectors("refused_reports") {
        let refused = Report::parse(&bytes).expect_err(&name);
        assert_eq!(json!(refused.name()), error, "{name}: {refused}");
    }
}

fn command_as_json(command: &Command) -> Value {
    let mut json = json!({
        "kind": kind(command.order.kind()),
        "source": command.source.0,
        "lease": command.lease.0,
        "seq": command.seq.0,
    });
    match command.order {
        Order::Setpoint {
            epoch,
            echo,
            picture,
            axes: driven,
        } => {
            json["epoch"] = json!(epoch.0);
            json["echo"] = json!(echo.micros());
            json["picture"] = json!(picture.micros());
            json["axes"] = axes(&driven);
        }
        Order::Arm { follows, echo } => {
            json["follows"] = json!(follows.0);
            json["echo"] = json!(echo.micros());
        }
        Order::Disarm { epoch } => json["epoch"] = json!(epoch.0),
        Order::Stop { epoch, reason } => {
            json["epoch"] = json!(epoch.0);
            json["reason"] = json!(reason.name());
        }
        Order::Ping => {}
    }
    json
}

fn report_as_json(report: &Report) -> Value {
    let mut json = json!({
        "state": match report.state {
            State::Disarmed => "disarmed",
            State::Armed => "armed",
            State::Stopped(_) => "stopped",
        },
        "reason": report.state.reason().map(StopReason::name),
        "lease": report.lease.0,
        "epoch": report.epoch.0,
        "stamp": report.stamp.micros(),
    });
    match report.kind {
        ReportKind::Beacon {
            heard,
            held_us,
            applied,
            limit_ms,
            age_ms,
        } => {
            json["kind"] = json!("beacon");
            json["heard"] = json!(heard.0);
            json["heldUs"] = json!(held_us);
            json["applied"] = json!(applied.0);
            json["limitMs"] = json!(limit_ms);
            json["ageMs"] = json!(age_ms);
        }
        ReportKind::Ack { seq, of, result } => {
            json["kind"] = json!("ack");
            json["seq"] = json!(seq.0);
            json["of"] = json!(kind(of));
            json["result"] = json!(AckResult::name(result));
        }
        ReportKind::Telemetry(telemetry) => {
            json["kind"] = json!("telemetry");
            json["axes"] = axes(&telemetry.axes);
            json["xMm"] = json!(telemetry.x_mm);
            json["yMm"] = json!(telemetry.y_mm);
            json["headingMrad"] = json!(telemetry.heading_mrad);
            json["batteryMv"] = json!(telemetry.battery_mv);
            json["applied"] = json!(telemetry.applied.0);
            json["counts"] = json!({
                "applied": telemetry.count_applied,
                "stale": telemetry.count_stale,
                "old": telemetry.count_old,
                "void": telemetry.count_void,
                "refused": telemetry.count_refused,
                "stops": telemetry.count_stops,
            });
        }
    }
    json
}

fn kind(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Setpoint => "setpoint",
        CommandKind::Arm => "arm",
        CommandKind::Disarm => "disarm",
        CommandKind::Stop => "stop",
        CommandKind::Ping => "ping",
    }
}

fn axes(axes: &Axes) -> Value {
    json!({
        "linear": axes.linear.raw(),
        "angular": axes.angular.raw(),
        "spare": axes.spare.map(|axis| axis.raw()),
    })
}
