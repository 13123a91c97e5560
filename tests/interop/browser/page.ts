// What the pages share: their settings, from the address, and where they write.
import { type JsonValue, create } from "@bufbuild/protobuf";
import { CursorSchema, type Subscribe, SubscribeSchema } from "./gen/trading/trading_service_pb.js";
import { EventType } from "./gen/trading/trading_types_pb.js";

interface Settings {
  rest: string;
  token: string;
  account: string;
  protocol: string;
  resume: string; // EPOCH:SEQUENCE:CHAIN of the last event that was processed, or empty
}

// From the part of the address that is never sent anywhere: #rest=...&token=...
export function settings(): Settings {
  const given = new URLSearchParams(location.hash.slice(1));
  const value = (name: string) => given.get(name) ?? "";
  return {
    rest: value("rest"),
    token: value("token"),
    account: value("account"),
    protocol: value("protocol"),
    resume: value("resume"),
  };
}

// Every kind of event of the account, after the cursor if there is one.
export function subscription(): Subscribe {
  const { account, resume } = settings();
  const [epoch, sequence, chain] = resume.split(":");
  const cursor = { accountId: account, epoch, sequence: BigInt(sequence ?? 0), chain: BigInt(chain ?? 0) };
  return create(SubscribeSchema, {
    tradingAccountId: account,
    subscriptions: Object.values(EventType).filter((kind): kind is EventType => typeof kind === "number" && kind > 0),
    resume: resume ? [create(CursorSchema, cursor)] : [],
  });
}

// A line on the page and, one after the other, to the server that the page came from.
let written = Promise.resolve();
export function report(line: JsonValue | { end: object }): void {
  const text = JSON.stringify(line);
  document.body.append(Object.assign(document.createElement("pre"), { textContent: text }));
  written = written.then(async () => {
    await fetch("line", { method: "POST", body: text });
  });
}
