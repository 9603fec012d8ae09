import { interceptor } from './exchange.js';

/** Adds `Procore-Company-Id`, which nearly every call needs (procore API, "Company header"). */
export const company = () =>
  interceptor((request, send) => {
    const { companyId } = request.call;
    if (companyId === undefined) return send(request);
    const headers = { ...(request.headers as Record<string, string>), 'procore-company-id': String(companyId) };
    return send({ ...request, headers });
  });
