//! The wire form against vectors that the page's twin is tested with too: `tests/data/control/vectors.json`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::vectors;
use serde_json::{Value, json};
use transom_control::{
    AckResult, Axes, Command, Order, Output, Picture, Refused, Report, ReportKind, State,
    StopReason,
};

#[test]
fn commands_are_read_and_written() {
    for (name, bytes, message) in vectors("vectors", "commands") {
        let command = Command::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(command_as_json(&command), message, "{name}");
        assert_eq!(*command.emit(), *bytes, "{name}");
    }
}

#[test]
fn reports_are_read_and_written() {
    for (name, bytes, message) in vectors("vectors", "reports") {
        let report = Report::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(report_as_json(&report), message, "{name}");
        assert_eq!(*report.emit(), *bytes, "{name}");
    }
}

#[test]
fn pictures_are_read_and_written() {
    for (name, bytes, message) in vectors("vectors", "pictures") {
        let picture = Picture::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let json = json!({
            "kind": "picture",
            "rtp": picture.rtp,
            "captured": picture.captured.micros(),
        });
        assert_eq!(json, message, "{name}");
        assert_eq!(*picture.emit(), *bytes, "{name}");
    }
}

#[test]
fn what_is_no_message_is_refused_by_name() {
    for (name, bytes, error) in vectors("vectors", "refused_pictures") {
        let refused = Picture::parse(&bytes).expect_err(&name);
        assert_eq!(json!(refused.name()), error, "{name}: {refused}");
    }
    for (name, bytes, error) in vectors("vectors", "refused_commands") {
        let refused = Command::parse(&bytes).expect_err(&name);
        assert_eq!(json!(refused.name()), error, "{name}: {refused}");
    }
    for (name, bytes, error) in vectors("vectors", "refused_reports") {
        let refused = Report::parse(&bytes).expect_err(&name);
        assert_eq!(json!(refused.name()), error, "{name}: {refused}");
    }
}

fn command_as_json(command: &Command) -> Value {
    let mut json = json!({
        "kind": command.order.kind().name(),
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
        Order::Emergency { epoch } => json["epoch"] = json!(epoch.0),
        Order::Reset { epoch, echo } => {
            json["epoch"] = json!(epoch.0);
            json["echo"] = json!(echo.micros());
        }
        Order::Switch {
            press,
            echo,
            output,
            value,
            ms,
        } => {
            json["press"] = json!(press.0);
            json["echo"] = json!(echo.micros());
            json["output"] = json!(output_name(output));
            json["value"] = json!(value);
            json["ms"] = json!(ms);
        }
    }
    json
}

fn report_as_json(report: &Report) -> Value {
    let mut json = json!({
        "state": match report.state {
            State::Disarmed => "disarmed",
            State::Armed => "armed",
            State::Stopped(_) => "stopped",
            State::Emergency => "emergency",
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
            refused,
            speed,
            picture_limit_ms,
        } => {
            json["kind"] = json!("beacon");
            json["heard"] = json!(heard.0);
            json["heldUs"] = json!(held_us);
            json["applied"] = json!(applied.0);
            json["limitMs"] = json!(limit_ms);
            json["ageMs"] = json!(age_ms);
            json["refused"] = json!(refused.map(Refused::name));
            json["speed"] = json!(speed);
            json["pictureLimitMs"] = json!(picture_limit_ms);
        }
        ReportKind::Ack { seq, of, result } => {
            json["kind"] = json!("ack");
            json["seq"] = json!(seq.0);
            json["of"] = json!(of.name());
            json["result"] = json!(AckResult::name(result));
        }
        ReportKind::Telemetry(telemetry) => {
            json["kind"] = json!("telemetry");
            json["axes"] = axes(&telemetry.axes);
            json["xMm"] = json!(telemetry.x_mm);
            json["yMm"] = json!(telemetry.y_mm);
            json["headingMrad"] = json!(telemetry.heading_mrad);
            json["batteryMv"] = json!(telemetry.battery_mv);
            json["rangeMm"] = json!(telemetry.range_mm);
            json["temperatures"] = json!(telemetry.temperatures);
            json["panMrad"] = json!(telemetry.pan_mrad);
            json["tiltMrad"] = json!(telemetry.tilt_mrad);
            json["user"] = json!(telemetry.user);
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

/// Those of the user's own have a number.
fn output_name(output: Output) -> String {
    match output {
        Output::User(number) => format!("user{number}"),
        known => known.name().to_owned(),
    }
}

fn axes(axes: &Axes) -> Value {
    json!({
        "linear": axes.linear.raw(),
        "angular": axes.angular.raw(),
        "pan": axes.pan.raw(),
        "tilt": axes.tilt.raw(),
        "custom": axes.custom.map(|axis| axis.raw()),
    })
}
