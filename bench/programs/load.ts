import { type Connection, openConnection } from "./connection.ts";
import { authorityOf, type LoadOrder, type LoadResult, pathOf } from "./protocol.ts";
import { answerParent } from "./serve.ts";

/** The clients: carries out one order of the parent after another, and answers each with its result. */
async function carryOut(order: LoadOrder): Promise<LoadResult> {
  const connections: Connection[] = [];
  try {
    for (let i = 0; i < order.connections; i += 1) connections.push(await openConnection(order));
    let next = 0;
    const drain = async (connection: Connection) => {
      while (next < order.requests) {
        next += 1;
        await take(order, connection, next - 1);
      }
    };
    await Promise.all(connections.map(drain));
    return {};
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  } finally {
    for (const connection of connections) connection.close();
  }
}

function take(order: LoadOrder, connection: Connection, n: number): Promise<void> {
  const { bytes, kind } = order;
  const path = pathOf({ bytes, kind, number: order.first + (n % order.distinct) });
  const authority = authorityOf(order);
  const target = order.route.form === "absolute" ? `${order.scheme}://${authority}${path}` : path;
  return connection.get(target, authority, { path, bytes });
}

answerParent(carryOut);
