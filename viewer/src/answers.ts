/** An answer of the engine as a part of the page sees it: under way, closed to this caller, failed for now, or here. */
import { useEffect, useState } from "preact/hooks";
import { Refused } from "./engine";
import { persistently } from "./recovery";

export type Answer<T> = { state: "loading" | "closed" | "failed" } | { state: "here"; value: T };

/** Asks, and asks again by itself while the server does not answer. key: what the question is about. */
export function useAnswer<T>(key: string, ask: (signal: AbortSignal) => Promise<T>): Answer<T> {
  const [answer, settle] = useState<{ key: string; now: Answer<T> }>({ key, now: { state: "loading" } });
  useEffect(() => {
    const asking = new AbortController();
    const attempt = async () => {
      const now = asking.signal.aborted ? undefined : await outcome(ask(asking.signal));
      if (asking.signal.aborted || !now) return true;
      settle({ key, now });
      return now.state !== "failed";
    };
    void attempt().then((done) => done || persistently(attempt));
    return () => asking.abort();
  }, [key]);
  return answer.key === key ? answer.now : { state: "loading" };
}

async function outcome<T>(asked: Promise<T>): Promise<Answer<T>> {
  try {
    return { state: "here", value: await asked };
  } catch (error) {
    return { state: closed(error) ? "closed" : "failed" };
  }
}

/** Whether the caller lacks a right, so that asking again is of no use. */
export function closed(error: unknown): boolean {
  return error instanceof Refused && [401, 403].includes(error.status);
}
