import type { Budget } from '../../budget/budget.js';
import { interceptor } from './exchange.js';

/** Takes one call from the budget before each attempt, and reports the server's reply to it. */
export const budget = (gate: Budget) =>
  interceptor(async (request, send) => {
    const permit = await gate.acquire(request.call, request.call.label);
    try {
      return await send(request, (status, headers) => permit.answered(status, headers));
    } finally {
      permit.ended();
    }
  });
